.PHONY: run test doc bench bench-parts races
run: ; cargo run
test: ; cargo run -q -p klatsch-tests
doc: ; cargo doc -p klatsch --no-deps
# ARGS='--help' says what else it can do.
bench: ; cargo run -q --release -p klatsch-bench -- $(ARGS)
bench-parts: ; cargo run -q --release --manifest-path tests/bench/parts/Cargo.toml --target-dir target/bench/parts -- --bench
# Needs a nightly compiler with its rust-src: ThreadSanitizer over everything that threads share.
races: ; RUSTFLAGS=-Zsanitizer=thread cargo +nightly test -q -Zbuild-std --target $(shell rustc -vV | sed -n 's/host: //p') --target-dir target/races -p klatsch --test host --test receipts --test lifecycle --test slow --test questions --test tutorial
