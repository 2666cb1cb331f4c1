#!/usr/bin/env bash
# What a machine with an NVIDIA GPU and no network is given beside the tree: wheels and a clip.
#
#   benchmarks/gpu_pack.sh [FOLDER]      default: .carry in the tree, which git is told to ignore
#
# That machine runs Linux x86-64, Python 3.12, PyTorch, Triton, OpenCV, scikit-image and CUDA's bindings. The folder and the tree
# together may have 62 MiB. PYTHON and SECONDS_OF_CLIP in the environment choose another Python and length.
set -euo pipefail
tree=$(cd "$(dirname "$0")/.." && pwd)
carry=${1:-$tree/.carry}
python=${PYTHON:-python3}
most=$((62 * 1024 * 1024))

# As few as there can be: the ones that such a machine lacks, and typing-extensions, whose copy there may be too old.
wheels=(av==18.1.0 pydantic==2.14.4 pydantic-core==2.50.5 annotated-types typing-inspection typing-extensions setproctitle)

mkdir -p "$carry/whl"
if [ -d "$tree/.git" ] && [ "$carry" = "$tree/.carry" ] && ! grep -qx '/.carry/' "$tree/.git/info/exclude" 2> /dev/null; then
    mkdir -p "$tree/.git/info"
    echo '/.carry/' >> "$tree/.git/info/exclude"
fi

missing=()
for wheel in "${wheels[@]}"; do
    name=${wheel%%==*}
    compgen -G "$carry/whl/${name//-/_}-*.whl" > /dev/null || missing+=("$wheel")
done
if ((${#missing[@]})); then
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --implementation cp \
        --python-version 3.12 --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 \
        --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --platform manylinux1_x86_64 \
        --dest "$carry/whl" "${missing[@]}"
fi

if [ ! -e "$carry/clip.mp4" ]; then
    "$python" - "$carry/clip.mp4" "${SECONDS_OF_CLIP:-6}" "${SIZE_OF_CLIP:-1920x1080}" << 'END'
import sys
from pathlib import Path
from sr4k.sample import write_sample

width, height = map(int, sys.argv[3].split("x"))
write_sample(Path(sys.argv[1]), seconds=float(sys.argv[2]), size=(width, height))
END
fi

bytes_of() { du -sb --apparent-size "$@" | awk '{ sum += $1 } END { print sum + 0 }'; }
packed=$(bytes_of "$carry")
if git -C "$tree" rev-parse --is-inside-work-tree > /dev/null 2>&1; then
    around=$(cd "$tree" && git ls-files -z --cached --others --exclude-standard | { xargs -0 stat -c %s 2> /dev/null || true; } |
        awk '{ sum += $1 } END { print sum + 0 }')
else # a copy of the tree: all but what git would ignore
    mapfile -t ignored < <(sed -e '/^$/d' -e 's|^/||' -e 's|/$||' -e 's|^|--exclude=|' "$tree/.gitignore")
    around=$(bytes_of --exclude=.git --exclude=.carry "${ignored[@]}" "$tree")
fi
total=$((packed + around))
awk -v p="$packed" -v t="$around" 'BEGIN { printf "packed %.1f MiB, tree %.1f MiB: %.1f of 62 MiB\n", p / 2^20, t / 2^20, (p + t) / 2^20 }'
if ((total > most)); then
    echo "too large: $((total - most)) bytes more than 62 MiB; a shorter clip is SECONDS_OF_CLIP=3" >&2
    exit 1
fi
