.PHONY: run test doc
run: ; cargo run
test: ; cargo run -q -p klatsch-tests
doc: ; cargo doc -p klatsch --no-deps
