// Every file of tests/scenarios, in order.
scenarios! {
    through every door {
        a_host_reads_history_page_by_page
        a_message_waits_for_its_answer_and_keeps_its_turn
        a_name_has_one_spelling
        a_name_that_deceives_closes_its_connection
        a_name_that_is_not_allowed_closes_its_connection
        a_raw_path_speaks_the_subprotocol_it_was_given
        a_stopped_engine_starts_again
        a_wrong_address_is_refused_by_its_name
        a_wrong_option_is_refused_by_its_name
        blank_texts_are_ignored
        bytes_are_ignored_in_the_chat
        colors_never_run_out
        events_come_in_the_order_of_happening
        html_is_escaped_on_the_tutorials_edge_only
        no_history_is_shown_in_an_empty_room
        old_records_are_forgotten
        one_user_with_two_connections_is_one_member
        raw_paths_carry_text_and_bytes_both_ways
        rooms_do_not_hear_one_another
        silence_refuses_a_connection
        silence_refuses_a_message
        texts_arrive_as_they_were_typed
        the_history_shown_is_the_newest
        the_host_broadcasts_everywhere
        the_host_broadcasts_to_a_room
        the_host_broadcasts_under_its_own_name
        the_host_is_told_what_became_of_a_broadcast
        the_host_lets_in_whom_it_wants
        the_host_rewrites_and_refuses_messages
        the_host_sees_how_many_there_are
        the_host_sends_as_a_user
        the_host_tells_a_room_and_everybody
        the_host_tells_one_connection
        the_hosts_name_stays_the_hosts
        the_hosts_wrong_words_get_an_error_by_name
        the_names_of_authorities_are_kept
        the_same_name_may_come_twice
        too_long_a_message_closes_its_connection
        too_many_rooms_are_refused
        unnamed_clients_hear_too
        what_is_no_chat_is_refused_with_words
        who_comes_later_is_shown_the_history
        who_is_kicked_is_told_why
        who_leaves_is_no_member_any_more
        who_names_no_room_is_in_the_lobby
        who_was_away_hears_what_was_said
        whom_the_host_named_keeps_that_name
    }
    // In Node a handler answers by what it returns: it cannot answer twice, or the wrong question.
    through rust and c {
        a_question_takes_one_answer_that_fits
    }
}
