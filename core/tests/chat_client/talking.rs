//! Conversations on a good line.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use klatsch::client::chat::{Act, Event, From, Place, Post, Refusal, Reply, Request, State, Store};
use klatsch::client::{Chat, ChatOptions};
use klatsch::{Admission, Error, ErrorCode, Question, Subject, Verdict};

use super::*;
use crate::common::Client;

#[test]
fn two_clients_talk_and_each_hears_all_of_it_once_and_in_order() {
    let host = engine();
    run(async {
        let (ann, bob) = (chat(&host, "Ann"), chat(&host, "Bob"));
        let joined = soon(ann.join("lobby")).await.unwrap();
        assert_eq!((joined.room.as_str(), joined.position.offset, joined.member_count), ("lobby", 0, 1));
        soon(bob.join("lobby")).await.unwrap();
        assert_eq!(ann.me().unwrap().name, "Ann");
        for nth in 0..50 {
            let sent = soon(ann.send("lobby", &format!("a{nth}"))).await.unwrap();
            assert_eq!((sent.position.offset, sent.duplicate), (2 * nth + 1, false));
            soon(bob.send("lobby", &format!("b{nth}"))).await.unwrap();
        }
        for nth in 0..50 {
            for chat in [&ann, &bob] {
                assert_eq!((hear(chat).await, hear(chat).await), (format!("a{nth}"), format!("b{nth}")));
            }
        }
        let (anns, bobs) = (ann.room("lobby").unwrap(), bob.room("lobby").unwrap());
        assert!(anns.messages().eq(bobs.messages()));
        assert_eq!((anns.messages().len(), anns.unread_count(), anns.member_count()), (100, 50, 2));
        soon(ann.close()).await;
        soon(bob.close()).await;
    });
    host.stop();
}

#[test]
fn what_was_said_can_be_changed_answered_and_found_again() {
    let host = engine();
    run(async {
        let (ann, bob) = (chat(&host, "Ann"), chat(&host, "Bob"));
        soon(bob.join("lobby")).await.unwrap();
        soon(ann.join("lobby")).await.unwrap();
        let post = Post::to_room("lobby", "helo <b>").data(r#"{"a":[1.50]}"#);
        let first = soon(ann.post(post)).await.unwrap().position.offset;
        soon(ann.edit("lobby", first, "hello <b>")).await.unwrap();
        soon(bob.react("lobby", first, "👍", true)).await.unwrap();
        let answer = Post::to_room("lobby", "hi").reply_to(first);
        let second = soon(bob.post(answer)).await.unwrap().position.offset;
        soon(bob.delete("lobby", second, Some("too short"))).await.unwrap();
        find(&ann, |event| matches!(event, Event::Delete { .. }).then_some(())).await;
        let room = ann.room("lobby").unwrap();
        let hello = room.message(first).unwrap();
        assert_eq!((hello.text.as_deref(), hello.revision), (Some("hello <b>"), 1));
        assert_eq!((hello.reactions[0].emoji.as_str(), hello.reactions[0].users.len()), ("👍", 1));
        assert_eq!(hello.data.as_deref(), Some(r#"{"a":[1.50]}"#), "as it was written");
        assert_eq!(room.message(second).unwrap().text, None);

        // Whoever comes later is shown the same.
        let cy = chat(&host, "Cy");
        let page = soon(cy.join("lobby")).await.unwrap();
        assert!(page.messages.iter().eq(room.messages()));
        let records = soon(cy.history("lobby", From::After(0), None)).await.unwrap();
        assert_eq!((records.records.len(), records.more), (5, false));
        let (members, count, _) = soon(cy.members("lobby", None)).await.unwrap();
        assert_eq!((members.len(), count), (3, 3));
        let (rooms, _) = soon(cy.rooms(None)).await.unwrap();
        assert_eq!(rooms.iter().map(|line| line.room.as_str()).collect::<Vec<_>>(), ["lobby"]);
        assert_eq!(soon(cy.read("lobby", first)).await.unwrap(), first);
        assert_eq!(cy.room("lobby").unwrap().read(), first);

        let error = soon(ann.edit("lobby", 999, "x")).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::UnknownMessage);
        assert_eq!(error.refusal().map(|Refusal { number, .. }| *number), Some(206));
        let error = soon(ann.send("attic", "x")).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::NotMember);
        let error = soon(ann.moderate("lobby", Act::Clear { user: None })).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::NotAllowed);
        for chat in [ann, bob, cy] {
            soon(chat.close()).await;
        }
    });
    host.stop();
}

#[test]
fn who_is_written_to_is_in_a_direct_room_and_hears_what_is_for_the_moment() {
    let host = engine();
    run(async {
        let (ann, bob) = (chat(&host, "Ann"), chat(&host, "Bob"));
        soon(ann.join("lobby")).await.unwrap();
        soon(bob.join("lobby")).await.unwrap();
        let bobs = bob.me().unwrap().user;
        let sent = soon(ann.send_to(&bobs, "psst")).await.unwrap();
        assert!(sent.room.starts_with("dm:"));
        let line = find(&bob, |event| match event {
            Event::Joined(line) => Some(line.clone()),
            _ => None,
        })
        .await;
        assert_eq!((&line.room, &line.with), (&sent.room, &ann.me().map(|me| me.user)));
        soon(bob.send(&sent.room, "what?")).await.unwrap();
        let texts = |chat: &Chat| {
            let room = chat.room(&sent.room).unwrap();
            room.messages().map(|message| message.text.clone().unwrap()).collect::<Vec<_>>()
        };
        while hear(&ann).await != "what?" {}
        while hear(&bob).await != "what?" {}
        assert_eq!((texts(&ann), texts(&bob)), (vec!["psst".into(), "what?".into()], texts(&ann)));

        soon(ann.typing("lobby", true)).await.unwrap();
        find(&bob, |event| matches!(event, Event::Typing { active: true, .. }).then_some(())).await;
        soon(ann.tell(Place::Room("lobby".into()), r#"{"x":3}"#)).await.unwrap();
        let told = find(&bob, |event| match event {
            Event::Tell { data, .. } => Some(data.clone()),
            _ => None,
        });
        assert_eq!(told.await, r#"{"x":3}"#);
        soon(ann.rename("Anna")).await.unwrap();
        find(&bob, |event| matches!(event, Event::Rename { name, .. } if name == "Anna").then_some(())).await;
        assert_eq!(ann.me().unwrap().name, "Anna");
        soon(ann.leave("lobby")).await.unwrap();
        assert!(ann.room("lobby").is_none());
        drop(ann);
        soon(bob.close()).await;
    });
    host.stop();
}

#[test]
fn tutorial_clients_and_chat_clients_talk_in_one_room() {
    let host = engine();
    let mut tutor = host.named("/?room=den", "Tom");
    run(async {
        let ann = chat(&host, "Ann");
        soon(ann.join("den")).await.unwrap();
        soon(ann.send("den", "hi <Tom>")).await.unwrap();
        let (mut tutor, heard): (Client, String) = tokio::task::spawn_blocking(move || {
            let heard = tutor.hear();
            tutor.say("hi & bye");
            (tutor, heard)
        })
        .await
        .unwrap();
        assert!(heard.contains("hi &lt;Tom&gt;"), "{heard}");
        assert_eq!((hear(&ann).await, hear(&ann).await), ("hi <Tom>".into(), "hi & bye".into()));
        let room = ann.room("den").unwrap();
        assert_eq!(room.messages().map(|message| message.name.as_str()).collect::<Vec<_>>(), ["Ann", "Tom"]);
        host.engine.broadcast("den", "from the host").unwrap();
        assert_eq!(hear(&ann).await, "from the host");
        tutor.say("one more");
        assert_eq!(hear(&ann).await, "one more");
        soon(ann.close()).await;
    });
    host.stop();
}

#[test]
fn a_name_that_is_taken_closes_the_chat_with_one_that_is_free() {
    let host = engine();
    run(async {
        let ann = chat(&host, "Ann");
        open(&ann).await;
        let other = chat(&host, "Ann");
        let error = find(&other, |event| match event {
            Event::State(State::Closed { code: 208, error, .. }) => error.clone(),
            _ => None,
        })
        .await;
        assert_eq!(error.refusal().unwrap().suggestion.as_deref(), Some("Ann 2"));
        assert!(soon(other.next()).await.is_none());
        let error = soon(other.join("lobby")).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::ConnectionClosed);
        soon(ann.close()).await;
        assert_eq!(soon(ann.close()).await, ());
    });
    host.stop();
}

#[test]
fn a_token_is_fetched_for_each_connection_and_the_host_says_who_it_is() {
    let mut host = host(options().ask_admit(true));
    let answering = host.engine.clone();
    let asking = std::thread::spawn(move || {
        while let Some(event) = host.events.next_blocking() {
            if event.kind() == "stopped" {
                return;
            }
            let klatsch::Event::Question(Question { id, subject: Subject::Admit { token, .. }, .. }) = event
            else {
                continue;
            };
            let verdict = match token.as_deref().and_then(|token| token.strip_prefix("good ")) {
                Some(number) => Verdict::AllowAs(Admission::user("ann-1", format!("Ann {number}"))),
                None => Verdict::Refuse("who are you?".into()),
            };
            host.engine.answer(id, verdict).unwrap();
        }
    });
    run(async {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        let line = Line::to(host.address).await;
        let options = chat_options(&line.url(), "nobody").token_with(move || {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            async move { Ok(format!("good {number}")) }
        });
        let ann = Chat::connect(options).unwrap();
        open(&ann).await;
        assert_eq!((ann.me().unwrap().user, count.load(Ordering::SeqCst)), ("ann-1".into(), 1));
        line.cut();
        open(&ann).await;
        assert_eq!(count.load(Ordering::SeqCst), 2);
        let refused = Chat::connect(ChatOptions::new(line.url()).token("bad")).unwrap();
        assert!(matches!(closed(&refused).await, 216 | 203 | 4001), "{:?}", refused.state());
        soon(ann.close()).await;
    });
    answering.stop_blocking(std::time::Duration::ZERO).unwrap();
    asking.join().unwrap();
}

/// Keeps it in memory.
#[derive(Clone, Default)]
pub(crate) struct Memory(pub(crate) Arc<Mutex<Option<String>>>);

impl Store for Memory {
    fn load(&self) -> Result<Option<String>, Error> {
        Ok(self.0.lock().unwrap().clone())
    }

    fn save(&self, saved: &str) -> Result<(), Error> {
        *self.0.lock().unwrap() = Some(saved.to_owned());
        Ok(())
    }
}

#[test]
fn another_process_goes_on_where_one_stopped_and_who_still_talks_is_taken_over_for_good() {
    let host = engine();
    run(async {
        let store = Memory::default();
        let options = chat_options(&format!("ws://{}", host.address), "Ann").store(store.clone());
        let ann = Chat::connect(options.clone()).unwrap();
        soon(ann.join("lobby")).await.unwrap();
        soon(ann.send("lobby", "one")).await.unwrap();
        let user = ann.me().unwrap().user;
        // It was saved before it was sent that it is; so what is in the store now is enough.
        let again = Chat::connect(options).unwrap();
        assert_eq!(closed(&ann).await, 4003);
        open(&again).await;
        assert_eq!(again.me().unwrap().user, user);
        assert_eq!(again.room_names(), ["lobby"]);
        soon(again.send("lobby", "two")).await.unwrap();
        while hear(&again).await != "two" {}
        let page = soon(again.history("lobby", From::Newest, None)).await.unwrap();
        let texts: Vec<_> = page.messages.iter().map(|message| message.text.as_deref().unwrap()).collect();
        assert_eq!(texts, ["one", "two"]);
        soon(again.close()).await;
    });
    host.stop();
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_connected() {
    run(async {
        for (options, code) in [
            (ChatOptions::new("http://x"), ErrorCode::InvalidArgument),
            (ChatOptions::new("ws://x").hello_timeout_ms(0), ErrorCode::InvalidOption),
            (
                ChatOptions::new("ws://x").socket(klatsch::client::Options::new().connect_timeout_ms(0)),
                ErrorCode::InvalidOption,
            ),
            (
                ChatOptions::new("ws://x").store(Memory(Arc::new(Mutex::new(Some("?".into()))))),
                ErrorCode::InvalidArgument,
            ),
        ] {
            assert_eq!(Chat::connect(options).unwrap_err().code(), code);
        }
    });
}

#[test]
fn when_the_last_handle_is_dropped_or_the_runtime_ends_the_connection_closes_and_nobody_waits_for_ever() {
    let mut host = engine();
    let (handle, waiting) = run(async {
        let ann = chat(&host, "Ann");
        soon(ann.join("lobby")).await.unwrap();
        let clone = ann.clone();
        drop(ann);
        soon(clone.send("lobby", "still here")).await.unwrap();
        drop(clone);
        let bob = chat(&host, "Bob");
        open(&bob).await;
        (bob.clone(), bob)
    });
    while !matches!(host.event(), klatsch::Event::Disconnected { .. }) {}
    while !matches!(host.event(), klatsch::Event::Disconnected { .. }) {}
    run(async {
        let request = Request::Rooms { limit: None, cursor: None };
        let error = soon(handle.request(request)).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::ConnectionClosed);
        soon(waiting.close()).await;
        while let Some(event) = soon(waiting.next()).await {
            assert!(matches!(event, Event::State(_)), "{event:?}");
        }
        assert!(!matches!(soon(waiting.request(Request::Leave { room: "x".into() })).await, Ok(Reply::Done)));
    });
    host.stop();
}
