//! What strangers may try: each ends only its own connection, costs bounded memory and time, and the next client is
//! served.
//!
//! | promise | tests |
//! | --- | --- |
//! | a page of a foreign site opens no WebSocket | `pages::no_page_of_a_foreign_site_opens_a_websocket`, `no_origin_outside_the_list_is_ever_let_in` |
//! | a name that was pointed here reaches nothing | `pages::a_site_that_points_its_own_name_at_this_machine_is_not_answered`, `a_connection_that_was_handed_over_may_come_under_any_name_until_names_are_listed` |
//! | a flood of pings costs nothing and is closed | `memory::a_ping_flood_that_never_reads_is_closed_and_costs_no_memory` |
//! | a slow reader costs nobody else | `memory::readers_that_never_read_are_closed_and_the_others_get_everything` |
//! | who dawdles is cut | `requests::who_never_finishes_a_request_is_cut_and_the_others_are_served_meanwhile`, `a_request_for_tls_is_told_that_there_is_none` |
//! | a request's head is bounded in bytes and time | `requests::a_head_without_an_end_is_refused_at_eight_kibibytes`, and beside the scan itself `every_byte_of_a_head_is_looked_at_once` |
//! | no length overflows | `frames::a_length_that_no_message_can_have_is_refused_at_its_header` |
//! | memory grows with what came, not with what was claimed | `memory::claimed_lengths_cost_no_memory` |
//! | fragments are bounded in number, size, time and memory | `frames::fragments_without_an_end_are_cut_by_their_number_their_size_or_their_time`, `memory::messages_that_are_never_finished_hold_no_more_than_what_came` |
//! | gathering fragments is linear | `growth::a_message_in_so_many_fragments_costs_what_their_number_says` |
//! | no frame and no reset ends more than its own connection | `frames::a_thousand_random_headers_end_only_their_own_connections`, `a_reset_after_any_byte_ends_only_its_own_connection` |
//! | text is UTF-8, or 1007 at the first wrong byte | `frames::text_that_is_not_utf8_is_refused_at_its_first_wrong_byte` |
//! | every violation has its code on the wire | `frames::every_violation_has_its_code_on_the_wire`, `a_close_frame_is_answered_with_its_own_code_if_that_may_be_sent_and_1002_if_not` |
//! | the limit that is set is kept | `frames::the_limit_that_is_set_is_the_limit_that_is_kept_whole_and_in_fragments` |
//! | a request has one reading | `requests::a_request_with_two_readings_is_refused`, `frames_that_come_with_the_request_are_kept_in_their_order`, `a_right_request_is_answered_before_what_its_frames_come_to` |
//! | compression is no lever | `deflate::a_bomb_costs_no_more_than_the_limit_of_messages_whole_or_in_fragments`, `a_window_that_cannot_be_is_declined_and_the_connection_goes_on_plain`, `the_bit_of_compression_in_the_wrong_place_is_refused` |
//! | a client's address is what trusted proxies say, and nobody else | `proxies::a_forwarded_address_is_believed_of_trusted_proxies_only_and_read_from_the_right`, `clients_behind_a_trusted_proxy_are_counted_one_by_one_and_by_slash_64`, `a_unix_sockets_peer_is_believed_where_the_host_says_so`, `a_line_of_the_proxy_protocol_is_no_request_and_changes_no_address` |
//! | one address cannot take all places | `proxies::one_address_gets_no_more_than_its_connections_and_another_comes_in_at_once`, `the_answer_to_one_connection_too_many_asks_whether_it_is_a_proxy` |
//! | running out of descriptors is survived | `descriptors::out_of_descriptors_accepting_rests_the_others_are_served_and_it_recovers_each_time` |
//! | an idle engine is idle, whatever happened before | `idle::peers_that_have_closed_their_half_keep_nothing_busy`, `a_storm_of_resets_leaves_nothing_busy`, `readers_whose_window_is_shut_keep_nothing_busy` |
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../common/mod.rs"]
mod common;
mod deflate;
mod frames;
mod pages;
mod proxies;
mod requests;

// These measure the process by what Linux tells of it.
#[cfg(target_os = "linux")]
mod descriptors;
#[cfg(target_os = "linux")]
mod growth;
#[cfg(target_os = "linux")]
mod idle;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(target_os = "linux")]
mod secure;
