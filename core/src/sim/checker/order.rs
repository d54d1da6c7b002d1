//! Whether what moderators decide holds, by the records of a room's whole log.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Rule;

/// What was decided so far.
#[derive(Debug, Default)]
struct Order {
    /// Who may do more, or less, than a member.
    roles: BTreeMap<String, String>,
    /// Until when users may not speak, by the engine's Unix time.
    muted: BTreeMap<String, u64>,
    slow_ms: u64,
    /// When users spoke last, while there is slow mode.
    spoke_ms: BTreeMap<String, u64>,
}

/// Judges a log that has lost nothing. The host may do everything, and has no `by`.
pub(super) fn judge(records: &[Value]) -> Vec<(Rule, String)> {
    let mut order = Order::default();
    let judged = records.iter().filter_map(|record| {
        let offset = record["offset"].as_u64().unwrap_or_default();
        match record["on"].as_str()? {
            "message" => order.speak(&record["message"], true),
            "edit" => order.speak(record, true),
            "react" => order.speak(record, false),
            "moderation" => order.moderate(record),
            _ => None,
        }
        .map(|words| (Rule::OrderHolds, format!("{words} at {offset}")))
    });
    judged.collect()
}

impl Order {
    fn is_above_members(&self, user: &str, is_owner: bool) -> bool {
        let role = self.roles.get(user).map_or("member", String::as_str);
        role == "owner" || role == "moderator" && !is_owner
    }

    /// Somebody spoke. `counts`: for slow mode.
    fn speak(&mut self, said: &Value, counts: bool) -> Option<String> {
        let (user, at_ms) = (said["user"].as_str()?, said["at"].as_u64()?);
        if said["mid"].is_null() {
            // It is the host's.
            return None;
        }
        let is_muted = self.muted.get(user).is_some_and(|until_ms| *until_ms > at_ms);
        let mut is_early = false;
        if counts && self.slow_ms > 0 && !self.is_above_members(user, false) {
            let before_ms = self.spoke_ms.insert(user.to_owned(), at_ms);
            is_early = before_ms.is_some_and(|before_ms| before_ms + self.slow_ms > at_ms);
        }
        match (is_muted, is_early) {
            (true, _) => Some(format!("{user} is muted and speaks")),
            (_, true) => Some(format!("{user} speaks too soon for slow mode")),
            _ => None,
        }
    }

    fn moderate(&mut self, record: &Value) -> Option<String> {
        let (act, at_ms) = (record["act"].as_str()?, record["at"].as_u64()?);
        let user = || record["user"].as_str().map(str::to_owned);
        let by = record["by"].as_str();
        let is_allowed = by.is_none_or(|by| self.is_above_members(by, act == "role"));
        match act {
            "mute" => {
                let until_ms = record["seconds"].as_u64().map_or(u64::MAX, |seconds| at_ms + seconds * 1_000);
                self.muted.insert(user()?, until_ms);
            }
            "slow" => {
                self.slow_ms = record["value"].as_u64()? * 1_000;
                if self.slow_ms == 0 {
                    self.spoke_ms.clear();
                }
            }
            "role" => drop(self.roles.insert(user()?, record["value"].as_str()?.to_owned())),
            _ => {}
        }
        (!is_allowed).then(|| format!("{} moderates ({act}) and is no moderator", by.unwrap_or_default()))
    }
}
