//! Lines that are cut, hosts that are slow, and engines that start again.

use std::collections::BTreeSet;

use klatsch::client::chat::{Event, State};
use klatsch::client::{Chat, ChatOptions};

use super::*;

/// What a room's messages say.
fn texts(chat: &Chat) -> Vec<String> {
    let room = chat.room("lobby").unwrap();
    room.messages().map(|message| message.text.clone().unwrap()).collect()
}

#[test]
fn a_line_that_is_cut_again_and_again_loses_nothing_and_doubles_nothing() {
    const COUNT: usize = 300;
    let host = engine();
    run(async {
        let line = Line::to(host.address).await;
        let ann = Chat::connect(chat_options(&line.url(), "Ann")).unwrap();
        let bob = chat(&host, "Bob");
        soon(ann.join("lobby")).await.unwrap();
        soon(bob.join("lobby")).await.unwrap();
        let mut sending = Vec::new();
        for chat in [&ann, &bob] {
            let (chat, name) = (chat.clone(), chat.me().unwrap().name);
            sending.push(tokio::spawn(async move {
                for nth in 0..COUNT {
                    chat.send("lobby", &format!("{name} {nth}")).await.unwrap();
                }
            }));
        }
        // Each hears all of it; now and then the line of one of them breaks, wherever things are.
        let hearing = bob.clone();
        let bobs = tokio::spawn(async move {
            let mut heard = Vec::new();
            while heard.len() < 2 * COUNT {
                heard.push(hear(&hearing).await);
            }
            heard
        });
        let mut anns = Vec::new();
        while anns.len() < 2 * COUNT {
            anns.push(hear(&ann).await);
            if anns.len() % 40 == 7 {
                line.cut();
            }
        }
        for task in sending {
            soon(task).await.unwrap();
        }
        assert_eq!(anns, soon(bobs).await.unwrap(), "in one order for all");
        assert_eq!(anns.iter().collect::<BTreeSet<_>>().len(), 2 * COUNT);
        for name in ["Ann", "Bob"] {
            let own: Vec<&String> = anns.iter().filter(|text| text.starts_with(name)).collect();
            assert!(own.iter().enumerate().all(|(nth, text)| **text == format!("{name} {nth}")), "{own:?}");
        }
        assert!(line.count() > 5, "it was cut");
        assert_eq!((texts(&ann), texts(&bob)), (anns.clone(), anns));
        soon(ann.close()).await;
        soon(bob.close()).await;
    });
    host.stop();
}

#[test]
fn many_at_once_over_a_line_that_is_cut_keep_their_order_and_the_rate() {
    const COUNT: usize = 60;
    let host = host(Options::new().message_rate(50).message_burst(10));
    run(async {
        let line = Line::to(host.address).await;
        let ann = Chat::connect(chat_options(&line.url(), "Ann")).unwrap();
        soon(ann.join("lobby")).await.unwrap();
        let mut sending = Vec::new();
        for nth in 0..COUNT {
            let chat = ann.clone();
            sending.push(tokio::spawn(async move { chat.send("lobby", &nth.to_string()).await }));
        }
        let mut heard = Vec::new();
        while heard.len() < COUNT {
            heard.push(hear(&ann).await);
            if heard.len() == 25 {
                line.cut();
            }
        }
        for task in sending {
            soon(task).await.unwrap().unwrap();
        }
        let mut sorted = heard.clone();
        sorted.sort_by_key(|text| text.parse::<usize>().unwrap());
        sorted.dedup();
        assert_eq!((sorted.len(), texts(&ann).len()), (COUNT, COUNT));
        soon(ann.close()).await;
    });
    host.stop();
}

#[test]
fn what_is_said_without_a_connection_waits_and_arrives_in_order() {
    let host = engine();
    run(async {
        let line = Line::to(host.address).await;
        let ann = Chat::connect(chat_options(&line.url(), "Ann")).unwrap();
        let bob = chat(&host, "Bob");
        soon(ann.join("lobby")).await.unwrap();
        soon(bob.join("lobby")).await.unwrap();
        line.down();
        find(&ann, |event| matches!(event, Event::State(State::Waiting { .. })).then_some(())).await;
        let mut sending = Vec::new();
        for nth in 0..20 {
            let chat = ann.clone();
            sending.push(tokio::spawn(async move { chat.send("lobby", &nth.to_string()).await }));
        }
        for nth in 0..5 {
            soon(bob.send("lobby", &format!("bob {nth}"))).await.unwrap();
        }
        while ann.outbox_count() < 20 {
            tokio::task::yield_now().await;
        }
        line.up(host.address);
        let expected: Vec<String> =
            (0..5).map(|nth| format!("bob {nth}")).chain((0..20).map(|nth| nth.to_string())).collect();
        for text in &expected {
            assert_eq!((hear(&ann).await, hear(&bob).await), (text.clone(), text.clone()));
        }
        for task in sending {
            assert!(!soon(task).await.unwrap().unwrap().duplicate);
        }
        assert_eq!((texts(&ann), ann.outbox_count()), (expected, 0));
        soon(ann.close()).await;
        soon(bob.close()).await;
    });
    host.stop();
}

#[test]
fn a_slow_host_misses_nothing_and_keeps_little() {
    const COUNT: usize = 2_000;
    let host = host(options().lag_bytes(4_096).outbox_bytes(65_536));
    run(async {
        let url = format!("ws://{}", host.address);
        let socket = klatsch::client::Options::new().inbox_bytes(4_096);
        let slow = ChatOptions::new(&url).name("Slow").max_event_count(8).socket(socket);
        let slow = Chat::connect(slow.kept_message_count(10)).unwrap();
        let bob =
            Chat::connect(chat_options(&url, "Bob").events(false).max_outbox_count(COUNT as u64)).unwrap();
        soon(slow.join("lobby")).await.unwrap();
        soon(bob.join("lobby")).await.unwrap();
        let padding = "x".repeat(100);
        let sending: Vec<_> = (0..COUNT)
            .map(|nth| {
                let (chat, text) = (bob.clone(), format!("{nth} {padding}"));
                tokio::spawn(async move { chat.send("lobby", &text).await })
            })
            .collect();
        for (nth, task) in sending.into_iter().enumerate() {
            match soon(task).await.unwrap() {
                Ok(_) => {}
                Err(error) => panic!("{nth}: {error}"),
            }
        }
        // Only now anything is taken.
        for nth in 0..COUNT {
            assert_eq!(hear(&slow).await, format!("{nth} {padding}"));
        }
        assert_eq!(slow.room("lobby").unwrap().messages().len(), 10);
        soon(slow.close()).await;
        soon(bob.close()).await;
    });
    host.stop();
}

#[test]
fn an_engine_that_starts_again_is_found_again_and_the_rooms_are_begun_anew() {
    let host = engine();
    run(async {
        let line = Line::to(host.address).await;
        let (ann, bob) = (
            Chat::connect(chat_options(&line.url(), "Ann")),
            Chat::connect(chat_options(&line.url(), "Bob")),
        );
        let (ann, bob) = (ann.unwrap(), bob.unwrap());
        soon(ann.join("lobby")).await.unwrap();
        soon(bob.join("lobby")).await.unwrap();
        soon(ann.send("lobby", "before")).await.unwrap();
        assert_eq!((hear(&ann).await, hear(&bob).await), ("before".into(), "before".into()));
        // It dies: nothing is said of it on the line.
        line.down();
        host.engine.stop(std::time::Duration::ZERO).await.unwrap();
        find(&ann, |event| matches!(event, Event::State(State::Waiting { .. })).then_some(())).await;
        let chat = ann.clone();
        let sending = tokio::spawn(async move { chat.send("lobby", "meanwhile").await });
        while ann.outbox_count() == 0 {
            tokio::task::yield_now().await;
        }
        let second = engine();
        line.up(second.address);
        assert!(!soon(sending).await.unwrap().unwrap().duplicate);
        for chat in [&ann, &bob] {
            let anew = find(chat, |event| match event {
                Event::Reset { room, .. } => Some(room.clone()),
                Event::Message { .. } => panic!("{event:?} before the room is begun anew"),
                _ => None,
            });
            assert_eq!(anew.await, "lobby");
        }
        soon(bob.send("lobby", "after")).await.unwrap();
        while hear(&ann).await != "after" {}
        while hear(&bob).await != "after" {}
        assert_eq!((texts(&ann), texts(&bob)), (vec!["meanwhile".into(), "after".into()], texts(&ann)));
        soon(ann.close()).await;
        soon(bob.close()).await;
        second.stop();
    });
}
