// engines/rgb_planes.cu, as kernel.cu, on the CPU. bare_machine/cuda/bindings/nvrtc.py compiles it.
#include "threads_on_cpu.h"

extern "C" const char* planes_of_rgb_kinds() { return "pppppiiii"; }

extern "C" void planes_of_rgb_run(int grid_columns, int grid_rows, const uint8_t* red, const uint8_t* green,
                                  const uint8_t* blue, uint8_t* luma, uint8_t* chroma, int row_step, int column_step,
                                  int height, int width) {
    each_thread(grid_columns, grid_rows,
                [=] { planes_of_rgb(red, green, blue, luma, chroma, row_step, column_step, height, width); });
}

extern "C" const char* rgb_of_nv12_kinds() { return "ppii"; }

extern "C" void rgb_of_nv12_run(int grid_columns, int grid_rows, const uint8_t* nv12, uint8_t* rgb, int height, int width) {
    each_thread(grid_columns, grid_rows, [=] { rgb_of_nv12(nv12, rgb, height, width); });
}
