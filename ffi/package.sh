#!/bin/sh
# Lays out libklatsch for C under a prefix that can be moved anywhere:
#
#     ffi/package.sh PREFIX [PROFILE]
#
# PREFIX/include/klatsch.h, PREFIX/lib/libklatsch.so.0 (and the link libklatsch.so), PREFIX/lib/libklatsch.a,
# PREFIX/lib/pkgconfig/klatsch.pc. PROFILE is cargo's, default release. With KLATSCH_BUILT set to the folder
# that cargo built the two libraries in, nothing is built.
#
# Cargo calls the libraries klatsch_ffi: a second library `klatsch` beside the core's would clash with it.
set -eu

[ $# -ge 1 ] || { echo "usage: $0 PREFIX [PROFILE]" >&2; exit 2; }
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
profile=${2:-release}
mkdir -p "$1/include" "$1/lib/pkgconfig"
prefix=$(CDPATH='' cd -- "$1" && pwd)

built=${KLATSCH_BUILT:-}
if [ -z "$built" ]; then
    (cd "$here" && cargo build --lib -p klatsch-ffi --profile "$profile")
    target=$(cd "$here" && cargo metadata --format-version 1 --no-deps |
        sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
    case $profile in dev | test) folder=debug ;; *) folder=$profile ;; esac
    built=$target/$folder
fi

cp "$here/../include/klatsch.h" "$prefix/include/klatsch.h"

# The shared library's name is in it (build.rs); cargo has already hidden what is not klatsch_.
case $(uname -s) in
Darwin)
    cp "$built/libklatsch_ffi.dylib" "$prefix/lib/libklatsch.0.dylib"
    ln -sf libklatsch.0.dylib "$prefix/lib/libklatsch.dylib"
    ;;
*)
    cp "$built/libklatsch_ffi.so" "$prefix/lib/libklatsch.so.0"
    ln -sf libklatsch.so.0 "$prefix/lib/libklatsch.so"
    ;;
esac

# The static library holds the whole of Rust's standard library, thousands of symbols that could clash with
# another one in the same program. One object remains, that shows klatsch_ only.
object=$prefix/lib/klatsch.o
trap 'rm -f "$object"' EXIT
case $(uname -s) in
Darwin)
    ld -r -all_load -exported_symbol '_klatsch_*' -o "$object" "$built/libklatsch_ffi.a"
    ;;
*)
    ld -r --whole-archive "$built/libklatsch_ffi.a" -o "$object"
    # Of the standard library's bitcode, one object's after the other's, no linker's plugin can make sense.
    objcopy --wildcard --keep-global-symbol='klatsch_*' \
        --remove-section=.llvmbc --remove-section=.llvmcmd "$object"
    ;;
esac
rm -f "$prefix/lib/libklatsch.a"
ar rcs "$prefix/lib/libklatsch.a" "$object"

# Rust's standard library needs these of the system (rustc --print native-static-libs).
case $(uname -s) in
Darwin) private='-lSystem -lc -lm' ;;
*) private='-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc' ;;
esac
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$here/../Cargo.toml" | head -n 1)
cat >"$prefix/lib/pkgconfig/klatsch.pc" <<PC
prefix=\${pcfiledir}/../..
libdir=\${prefix}/lib
includedir=\${prefix}/include

Name: klatsch
Description: Chat as a library: one WebSocket chat engine inside your program
Version: $version
Libs: -L\${libdir} -lklatsch
Libs.private: $private
Cflags: -I\${includedir}
PC
