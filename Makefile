.PHONY: run test doc bench
run: ; cargo run
test: ; cargo run -q -p klatsch-tests
doc: ; cargo doc -p klatsch --no-deps
# ARGS='--help' says what else it can do.
bench: ; cargo run -q --release -p klatsch-bench -- $(ARGS)
