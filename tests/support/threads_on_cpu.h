// Just enough of CUDA to run kernels whose threads need nothing of each other on the CPU, thread by thread.
#include <algorithm>
#include <cmath>
#include <cstdint>
using std::max;
using std::min;
#define EMULATED
#define __global__
#define __device__
struct uchar2 { uint8_t x, y; };
static inline uchar2 make_uchar2(uint8_t x, uint8_t y) { return {x, y}; }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline int __float2int_rn(float a) { return (int)nearbyintf(a); }
static struct { int x, y; } threadIdx, blockIdx;
#include "kernel.cu"

extern "C" int shared_bytes() { return 0; }

extern "C" int threads() { return THREADS; }

template <class Kernel> static void each_thread(int grid_columns, int grid_rows, Kernel kernel) {
    for (blockIdx.y = 0; blockIdx.y < grid_rows; blockIdx.y++)
        for (blockIdx.x = 0; blockIdx.x < grid_columns; blockIdx.x++)
            for (threadIdx.x = 0; threadIdx.x < THREADS; threadIdx.x++) kernel();
}
