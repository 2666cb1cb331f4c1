// engines/padding.cu, as kernel.cu, on the CPU. bare_machine/cuda/bindings/nvrtc.py compiles it.
#include "threads_on_cpu.h"

extern "C" const char* pad_kinds() { return "ppppiiii"; }

extern "C" void pad_run(int grid_columns, int grid_rows, const SAMPLE* y, const SAMPLE* uv, SAMPLE* luma, SAMPLE* chroma,
                        int y_pitch, int uv_pitch, int height, int width) {
    each_thread(grid_columns, grid_rows, [=] { pad(y, uv, luma, chroma, y_pitch, uv_pitch, height, width); });
}
