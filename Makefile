.PHONY: run test doc bench bench-parts
run: ; cargo run
test: ; cargo run -q -p klatsch-tests
doc: ; cargo doc -p klatsch --no-deps
# ARGS='--help' says what else it can do.
bench: ; cargo run -q --release -p klatsch-bench -- $(ARGS)
bench-parts: ; cargo run -q --release --manifest-path tests/bench/parts/Cargo.toml --target-dir target/bench/parts -- --bench
