// Just enough of CUDA to run a kernel of warp-level products on the CPU: threads are fibers, and the collectives
// ldmatrix and mma exchange what the threads of a warp hold, lane by lane, as the PTX manual lays it out.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <ucontext.h>
#include <vector>
using std::max;
using std::min;
#define DEV static inline
#define __global__
#define __restrict__
#define __launch_bounds__(a, b)
#define __shared__
struct uint4 { uint32_t x, y, z, w; };
struct uint2 { uint32_t x, y; };
struct int4 { int x, y, z, w; };
struct float4 { float x, y, z, w; };
struct dim { int x, y; };
static uint2 make_uint2(uint32_t a, uint32_t b) { return {a, b}; }
static dim threadIdx, blockIdx;
extern uint4 map[];
template <class T> static T __ldg(const T* p) { return *p; }
static uint32_t __funnelshift_r(uint32_t low, uint32_t high, uint32_t by) {
    by &= 31;
    return by ? (low >> by) | (high << (32 - by)) : low;
}
static uint32_t __float_as_uint(float f) { uint32_t u; memcpy(&u, &f, 4); return u; }
static uint32_t __byte_perm(uint32_t a, uint32_t b, uint32_t selector) {
    uint8_t bytes[8];
    memcpy(bytes, &a, 4);
    memcpy(bytes + 4, &b, 4);
    uint32_t result = 0;
    for (int k = 0; k < 4; k++) result |= (uint32_t)bytes[(selector >> (4 * k)) & 7] << (8 * k);
    return result;
}
static float __int_as_float(int i) { float f; memcpy(&f, &i, 4); return f; }
// Towards minus infinity: 64 bits hold these sums whole.
static float down(long double exact) {
    float nearest = (float)exact;
    return nearest > exact ? nextafterf(nearest, -INFINITY) : nearest;
}
static float __fmaf_rd(float a, float b, float c) { return down((long double)a * b + c); }
static float __fadd_rd(float a, float b) { return down((long double)a + b); }

void let_others_run();
extern int current;  // thread of the block
extern int block_threads;
static long block_arrived;
struct Warp { long arrived; uint32_t in[32][8]; const uint4* at[32]; };
static Warp warps[32];
static void wait_for_all(long& arrived, int count) {
    long target = (arrived / count + 1) * count;
    arrived++;
    while (arrived < target) let_others_run();
}
static void __syncthreads() { wait_for_all(block_arrived, block_threads); }
static void ldmatrix(uint32_t (&a)[4], const uint4* at) {
    Warp& warp = warps[current / 32];
    int lane = current % 32;
    warp.at[lane] = at;
    wait_for_all(warp.arrived, 32);
    for (int m = 0; m < 4; m++) memcpy(&a[m], (const uint8_t*)warp.at[8 * m + lane / 4] + 4 * (lane % 4), 4);
    wait_for_all(warp.arrived, 32);
}
// m16n8k(16 * parts). A: register 2 * part + row / 8 of lane (row % 8) * 4 + k / 4, byte k % 4; B: register part of lane
// column * 4 + k / 4.
static void mma(int (&c)[4], const uint32_t* a, const uint32_t* b, int parts) {
    Warp& warp = warps[current / 32];
    int lane = current % 32;
    for (int k = 0; k < 2 * parts; k++) warp.in[lane][k] = a[k];
    for (int k = 0; k < parts; k++) warp.in[lane][4 + k] = b[k];
    wait_for_all(warp.arrived, 32);
    for (int e = 0; e < 4; e++) {
        int row = lane / 4 + 8 * (e / 2), column = 2 * (lane % 4) + e % 2, sum = 0;
        for (int part = 0; part < parts; part++)
            for (int k = 0; k < 16; k++)
                sum += (int8_t)(warp.in[(row % 8) * 4 + k / 4][2 * part + row / 8] >> (8 * (k % 4))) *
                       (int8_t)(warp.in[column * 4 + k / 4][4 + part] >> (8 * (k % 4)));
        c[e] += sum;
    }
    wait_for_all(warp.arrived, 32);
}
static void mma32(int (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    uint32_t b[2] = {b0, b1};
    mma(c, a, b, 2);
}
static void mma16(int (&c)[4], uint32_t a0, uint32_t a1, uint32_t b0) {
    uint32_t a[2] = {a0, a1};
    mma(c, a, &b0, 1);
}
