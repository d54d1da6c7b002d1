//! Whatever happens between a client and a server: each change happens once or is told, and nothing is missing in
//! silence.

mod model;
mod walk;

#[test]
fn whatever_happens_each_change_happens_once_and_no_gap_is_silent() {
    let mut counts = walk::Counts::default();
    for seed in 0..1000 {
        walk::Walk::new(seed).run(300, &mut counts);
    }
    // Each kind of trouble has been there, and things went on in spite of it.
    let walk::Counts { sent, uncertain, refused, cuts, crashes, resets, rollbacks, fetches } = counts;
    for (what, count, least) in [
        ("sent", sent, 5_000),
        ("uncertain", uncertain, 20),
        ("refused", refused, 20),
        ("cuts", cuts, 1_000),
        ("crashes", crashes, 400),
        ("resets", resets, 100),
        ("rollbacks", rollbacks, 30),
        ("fetches", fetches, 500),
    ] {
        assert!(count >= least, "{what}: {count}");
    }
}
