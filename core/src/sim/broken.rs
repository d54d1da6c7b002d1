//! Engines that are broken on purpose are found out, each by the stories that whole engines come through.

#[path = "../../tests/seeds/person.rs"]
mod person;
#[path = "../../tests/seeds/story.rs"]
mod story;

use crate::broken::Broken;
use crate::broken::tests::while_broken;

use super::Rule;

/// The rules that are broken by the first story that notices; `None`: none of so many does.
fn found(how: Broken, seeds: std::ops::RangeInclusive<u64>) -> Option<Vec<Rule>> {
    while_broken(how, || {
        seeds.map(|seed| story::play(seed, false).faults).find(|faults| !faults.is_empty()).map(|faults| {
            let mut rules: Vec<Rule> = faults.into_iter().map(|(rule, _)| rule).collect();
            rules.sort_unstable();
            rules.dedup();
            rules
        })
    })
}

#[test]
fn a_whole_engine_comes_through_the_stories() {
    let [mut records, mut acknowledged, mut shown, mut repeated] = [0; 4];
    for seed in 1..=60 {
        let outcome = story::play(seed, false);
        assert_eq!(outcome.faults, [], "{}", outcome.story);
        records += outcome.record_count;
        acknowledged += outcome.acknowledged_count;
        shown += outcome.shown_count;
        repeated += outcome.repeated_count;
    }
    assert!(
        records > 1_000 && acknowledged > 1_000 && shown > 2 * records,
        "{records} {acknowledged} {shown}"
    );
    assert!(repeated * 100 < shown, "{repeated} of {shown}");
}

#[test]
fn an_engine_that_forgets_what_was_sent_is_found_out() {
    let rules = found(Broken::NoDedupe, 1..=60).expect("somebody notices");
    assert!(rules.contains(&Rule::NothingTwice), "{rules:?}");
}

#[test]
fn an_engine_that_acknowledges_what_has_no_place_is_found_out() {
    let rules = found(Broken::AcknowledgedBeforePlaced, 1..=60).expect("somebody notices");
    assert!(rules.contains(&Rule::NothingLost), "{rules:?}");
}

#[test]
fn an_engine_that_never_wakes_who_lagged_is_found_out() {
    let rules = found(Broken::LostWakeUp, 1..=200).expect("somebody notices");
    assert!(rules.contains(&Rule::NoGap) || rules.contains(&Rule::NothingLost), "{rules:?}");
}

#[test]
fn an_engine_that_uses_offsets_again_is_found_out() {
    let rules = found(Broken::ReusedOffset, 1..=200).expect("somebody notices");
    assert!(rules.contains(&Rule::OneRecordPerOffset), "{rules:?}");
}

#[test]
fn an_engine_that_folds_what_who_comes_back_has_missed_is_found_out() {
    let rules = found(Broken::FoldedResume, 1..=200).expect("somebody notices");
    // Who misses the newest record of all, and asks for it in vain, does not come to rest either.
    assert!(rules.contains(&Rule::SameForAll) || rules.contains(&Rule::NothingLost), "{rules:?}");
}
