// engines/padding.cu, as kernel.cu, on the CPU, thread by thread. bare_machine/cuda/bindings/nvrtc.py compiles it.
#include <algorithm>
#include <cstdint>
using std::max;
using std::min;
#define EMULATED
#define __global__
static struct { int x, y; } threadIdx, blockIdx;
#include "kernel.cu"

extern "C" const char* kinds() { return "ppppiiii"; }

extern "C" int shared_bytes() { return 0; }

extern "C" int threads() { return THREADS; }

extern "C" void run(int grid_columns, int grid_rows, const SAMPLE* y, const SAMPLE* uv, SAMPLE* luma, SAMPLE* chroma,
                    int y_pitch, int uv_pitch, int height, int width) {
    for (blockIdx.y = 0; blockIdx.y < grid_rows; blockIdx.y++)
        for (blockIdx.x = 0; blockIdx.x < grid_columns; blockIdx.x++)
            for (threadIdx.x = 0; threadIdx.x < THREADS; threadIdx.x++)
                pad(y, uv, luma, chroma, y_pitch, uv_pitch, height, width);
}
