// A picture in one launch: luma networks of 32 features on cells, in int8, from padded planes to NV12 or to cells.
//
// A block computes one tile of the output with all layers. Feature maps stay in shared memory and a layer's weights in
// registers, so memory is touched twice: to read the planes and to write the result. The halo of a tile is recomputed.
// Products are mma.sync m16n8k32 and m16n8k16 of int8 (sm_80 and newer). Compiles with NVRTC, with nvcc, and with
// g++ -DEMULATED, where tests/support/cuda_on_cpu.h stands for the GPU.
#ifdef EMULATED
#include "cuda_on_cpu.h"
#else
typedef unsigned char uint8_t;
typedef unsigned int uint32_t;
#define DEV __device__ __forceinline__
#endif

// one_launch.py defines these: BODY convolutions between head and tail; TW columns and TH rows of a tile, in cells of 2x2
// pixels; WARPS of a block, and BLOCKS that share a multiprocessor; chroma samples to a cell's side, STEP; NV12 or cells;
// WITHIN whether luma is kept within its source's range around each cell, and BEYOND levels on either side. HEADS, TAILS
// and CHROMAS: rounds of the loop of that name whose loads are under way together; 1: as the compiler likes.
#ifndef BODY
#define BODY 4
#define TW 60
#define TH 34
#define WARPS 4
#define BLOCKS 2
#define STEP 1
#define NV12 1
#define WITHIN 0
#define HEADS 1
#define TAILS 1
#define CHROMAS 1
#endif
#define HALO (BODY + 1)                   // cells around a tile that the network sees
#define MARGIN 5                          // cells around the picture for which the planes are padded
#define P (TW + 2 * HALO)                 // positions in a row of the map
#define ROWS (TH + 2 * HALO)
#define POS (P * ROWS)
// 16-byte halves of a map, with those that the last products read beyond it. It is 4 mod 8, so that stores to both
// halves hit different banks.
#define PLANE ((POS + 15) / 16 * 16 + 68)
#define MT 4                              // 16-position tiles that a warp holds in registers
#define CHUNK (WARPS * MT * 16)
#define TAPS (4 + STEP)                   // of chroma, a side
#if WITHIN
#define AROUND 14                         // pixels to a side of the square around a cell whose range is meant
#define PAIRS (AROUND / 2)                // of rows
#define RUNS (32 * WARPS / TW)            // runs of cells below each other that threads share a column of the tile in
#define RUN ((TH + RUNS - 1) / RUNS)
#define FREE ((TH + 2) * P)               // positions of each half that the tail reads: the rest holds the range
static_assert(RUNS > 0 && (TH + 1) * TW + P <= 16 * (PLANE - FREE), "there is room for the range");
#endif
static_assert(((ROWS - 2) * P - 1) / (16 * MT) * (16 * MT) + 16 * MT + 2 * P + 2 <= PLANE, "reads end within a half");

// Weights lie in the order of mma fragments, by lane:
// head [32]: 4 n-tiles of k16, one word each
// body [BODY][9][2][32]: n-tiles 0 and 1, then 2 and 3, two words each
// tail [9][32]: 2 n-tiles, two words each
// cubic [3][32]: chunks of k16: n-tiles 0 and 1 of the weights' high part, then of the low part
// starts [1 + BODY][32], then [16]: what sums begin with; factors [1 + BODY][3][32], then [3][16]: see `scaled`
// chroma [2][2][TAPS]: of rows and of columns, for either output sample, in units of 1/1024

#ifndef EMULATED
DEV void ldmatrix(uint32_t (&a)[4], const uint4* at) {
    uint32_t s = (uint32_t)__cvta_generic_to_shared(at);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(a[0]), "=r"(a[1]), "=r"(a[2]), "=r"(a[3]) : "r"(s) : "memory");
}
DEV void mma32(int (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
DEV void mma16(int (&c)[4], uint32_t a0, uint32_t a1, uint32_t b0) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
                 : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3]) : "r"(a0), "r"(a1), "r"(b0));
}
#endif

// Four bytes at any address, from two aligned words. `limit`: index of the plane's last word.
DEV uint32_t four_bytes(const uint8_t* plane, int at, int limit) {
    const uint32_t* words = (const uint32_t*)plane;
    int first = at >> 2;
    uint32_t low = __ldg(words + min(first, limit)), high = __ldg(words + min(first + 1, limit));
    return __funnelshift_r(low, high, 8 * (at & 3));
}

// A sum of products in a layer's output units, plus a half, rounded down. Of the bias, the whole part in the sum's units
// is what the sum begins with, so that nothing cancels here, and the rest is in `rest`; the scale is high + low. A sum
// begins at the bits of 1.5 * 2**23 as well, which make it a float without a conversion.
DEV float scaled(int sum, float high, float low, float rest) {
    float whole = __int_as_float(sum) - 12582912.0f;
    return __fmaf_rd(whole, high, fmaf(whole, low, rest));
}

// The next lower integer, within bounds, in the low bits. Rounded down twice, a value stays on its side of each integer,
// so that the nearest one, half up, is that of real numbers but where these are within 2**-24 of a half.
DEV float rounded(float v, float least, float most) { return __fadd_rd(fminf(fmaxf(v, least), most), 12582912.0f); }

// The low bytes of four results of `rounded`.
DEV uint32_t packed(float a, float b, float c, float d) {
    uint32_t lo = __byte_perm(__float_as_uint(a), __float_as_uint(b), 0x0040);
    uint32_t hi = __byte_perm(__float_as_uint(c), __float_as_uint(d), 0x0040);
    return __byte_perm(lo, hi, 0x5410);
}

// What a lane knows of its 8 channels of a layer: 8 * t and on.
struct Factors {
    float high[8], low[8], rest[8];
};

DEV void load8(float (&to)[8], const float* from, int t) {
#pragma unroll
    for (int k = 0; k < 2; k++) {
        float4 four = __ldg((const float4*)(from + 8 * t) + k);
        to[4 * k] = four.x, to[4 * k + 1] = four.y, to[4 * k + 2] = four.z, to[4 * k + 3] = four.w;
    }
}

DEV void load_factors(Factors& to, const float* layer, int t) {
    load8(to.high, layer, t);
    load8(to.low, layer + 32, t);
    load8(to.rest, layer + 64, t);
}

// Begin the sums of 16 positions and 32 channels.
DEV void begin(int (&c)[4][4], const int (&starts)[8]) {
#pragma unroll
    for (int j = 0; j < 4; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) c[j][e] = starts[2 * j + e % 2];
}

DEV void load_starts(int (&to)[8], const int* layer, int t) {
#pragma unroll
    for (int k = 0; k < 2; k++) {
        int4 four = __ldg((const int4*)(layer + 8 * t) + k);
        to[4 * k] = four.x, to[4 * k + 1] = four.y, to[4 * k + 2] = four.z, to[4 * k + 3] = four.w;
    }
}

// Round the sums of 16 positions and 32 channels to int8 and store them in the map at position q: a lane holds 8
// channels of 2 positions.
DEV void store_features(uint4* map, int q, const int (&c)[4][4], const Factors& by, int lane) {
    int g = lane >> 2, t = lane & 3;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        float v[8];
#pragma unroll
        for (int k = 0; k < 8; k++)
            v[k] = rounded(scaled(c[k / 2][2 * half + k % 2], by.high[k], by.low[k], by.rest[k]), -128.f, 127.f);
        uint2 both = make_uint2(packed(v[0], v[1], v[2], v[3]), packed(v[4], v[5], v[6], v[7]));
        *((uint2*)(map + (t >> 1) * PLANE + q + g + 8 * half) + (t & 1)) = both;
    }
}

// An integer over 2**20 to the nearest code value, half to even.
DEV uint32_t nearest(int v) { return (uint32_t)min(max((v + (1 << 19) - 1 + ((v >> 20) & 1)) >> 20, 0), 255); }

DEV uint32_t word(uint32_t a, uint32_t b, uint32_t c, uint32_t d) { return a | b << 8 | c << 16 | d << 24; }

// luma: the padded plane (H + 21, W + 21), uint8. chroma: (2, H/2 + 12, W/2 + 12), or with STEP 2 (2, H + 21, W + 21).
// out: NV12, 3H rows of 2W bytes, or cells (H/2 + 10, W/2 + 10, 24), whose margin is not written; as words.
// cell_rows, cell_columns: H/2 and W/2. The grid is (columns / TW, rows / TH) tiles, rounded up.
extern "C" __global__ void __launch_bounds__(32 * WARPS, BLOCKS)
one_launch(const uint8_t* __restrict__ luma, const uint8_t* __restrict__ chroma, uint32_t* __restrict__ out,
           const uint4* __restrict__ head, const uint4* __restrict__ body, const uint4* __restrict__ tail,
           const uint4* __restrict__ cubic, const int* __restrict__ starts, const float* __restrict__ factors,
           const int* __restrict__ chroma_taps, int cell_rows, int cell_columns) {
    extern __shared__ uint4 map[];
    int warp = threadIdx.x >> 5, lane = threadIdx.x & 31, g = lane >> 2, t = lane & 3;
    int top = blockIdx.y * TH, left = blockIdx.x * TW;
    int grid_rows = cell_rows + 2 * MARGIN, grid_columns = cell_columns + 2 * MARGIN;
    int pitch = 2 * grid_columns + 1, limit = ((2 * grid_rows + 1) * pitch - 1) >> 2;
    const uint4* mine = map + (lane >> 4) * PLANE + (lane & 15);  // the row that this lane passes to ldmatrix

    { // head: 3x3 of stride 2, k = 4 * ky + kx
        uint4 b = __ldg(head + lane);
        Factors by;
        load_factors(by, factors, t);
        int first[8];
        load_starts(first, starts, t);
#if HEADS > 1
#pragma unroll HEADS
#endif
        for (int q0 = warp * 16; q0 < POS; q0 += WARPS * 16) {
            uint32_t a[2];
#pragma unroll
            for (int half = 0; half < 2; half++) {
                int q = q0 + g + 8 * half, row = min(top + MARGIN - HALO + q / P, grid_rows - 1), column = min(left + MARGIN - HALO + q % P, grid_columns - 1);
                a[half] = t == 3 ? 0u : four_bytes(luma, (2 * row + t) * pitch + 2 * column, limit) ^ 0x80808080u;
            }
            int c[4][4];
            begin(c, first);
            mma16(c[0], a[0], a[1], b.x);
            mma16(c[1], a[0], a[1], b.y);
            mma16(c[2], a[0], a[1], b.z);
            mma16(c[3], a[0], a[1], b.w);
            store_features(map, q0, c, by, lane);
        }
    }
    __syncthreads();

    // body: out[q] from in[q + ky * P + kx], in place: a chunk is written once all warps have read theirs
    for (int layer = 0; layer < BODY; layer++) {
        uint4 b[9][2];
#pragma unroll
        for (int tap = 0; tap < 9; tap++)
#pragma unroll
            for (int k = 0; k < 2; k++) b[tap][k] = __ldg(body + ((layer * 9 + tap) * 2 + k) * 32 + lane);
        int count = (ROWS - 2 * (layer + 1)) * P;
        for (int start = 0; start < count; start += CHUNK) {
            int q0 = start + warp * MT * 16;
            int c[MT][4][4];
            if (q0 < count) {
                int first[8];
                load_starts(first, starts + 32 * (layer + 1), t);
#pragma unroll
                for (int m = 0; m < MT; m++) begin(c[m], first);
#pragma unroll
                for (int tap = 0; tap < 9; tap++)
#pragma unroll
                    for (int m = 0; m < MT; m++) {
                        uint32_t a[4];
                        ldmatrix(a, mine + q0 + 16 * m + (tap / 3) * P + tap % 3);
                        mma32(c[m][0], a, b[tap][0].x, b[tap][0].y);
                        mma32(c[m][1], a, b[tap][0].z, b[tap][0].w);
                        mma32(c[m][2], a, b[tap][1].x, b[tap][1].y);
                        mma32(c[m][3], a, b[tap][1].z, b[tap][1].w);
                    }
            }
            __syncthreads();
            if (q0 < count) {
                Factors by;
                load_factors(by, factors + 96 * (layer + 1), t);
#pragma unroll
                for (int m = 0; m < MT; m++) store_features(map, q0 + 16 * m, c[m], by, lane);
            }
        }
        __syncthreads();
    }

#if WITHIN
    // range of luma around each cell: a thread goes down a run of cells, by pairs of rows
    uint8_t *least = (uint8_t*)(map + FREE), *most = (uint8_t*)(map + PLANE + FREE);
    if (threadIdx.x < TW * RUNS) {
        int x = threadIdx.x % TW, first = threadIdx.x / TW * RUN, low[PAIRS] = {}, high[PAIRS] = {};
        const uint8_t* column = luma + 2 * (min(left + x, cell_columns - 1) + MARGIN + 1) - PAIRS;
        for (int k = 0; k < RUN + PAIRS - 1; k++) {
            int pair = min(top + first + MARGIN + k - PAIRS / 2, grid_rows - 1);
            const uint8_t* row = column + (2 * pair + 1) * pitch;
#pragma unroll
            for (int j = 1; j < PAIRS; j++) low[j - 1] = low[j], high[j - 1] = high[j];
            low[PAIRS - 1] = 255, high[PAIRS - 1] = 0;
#pragma unroll
            for (int j = 0; j < 2 * AROUND; j++) {
                int sample = __ldg(row + j / AROUND * pitch + j % AROUND);
                low[PAIRS - 1] = min(low[PAIRS - 1], sample);
                high[PAIRS - 1] = max(high[PAIRS - 1], sample);
            }
            int y = first + k - (PAIRS - 1);
            if (y < first || y >= TH) continue;
            int lowest = low[0], highest = high[0];
#pragma unroll
            for (int j = 1; j < PAIRS; j++) lowest = min(lowest, low[j]), highest = max(highest, high[j]);
            least[y * TW + x] = lowest, most[y * TW + x] = highest;
        }
    }
    __syncthreads();
#endif

    // tail and bicubic: 16 sub-pixels a cell; a lane holds the 4 of sub-pixel row t
    {
        uint4 b[9], k[3];
#pragma unroll
        for (int tap = 0; tap < 9; tap++) b[tap] = __ldg(tail + tap * 32 + lane);
#pragma unroll
        for (int s = 0; s < 3; s++) k[s] = __ldg(cubic + s * 32 + lane);
        int first[4];
        float high_factor[4], low_factor[4], rest[4];
#pragma unroll
        for (int n = 0; n < 4; n++) {
            const float* mine = factors + 96 * (BODY + 1) + 4 * t + n;
            first[n] = __ldg(starts + 32 * (BODY + 1) + 4 * t + n);
            high_factor[n] = __ldg(mine), low_factor[n] = __ldg(mine + 16), rest[n] = __ldg(mine + 32);
        }
#if TAILS > 1
#pragma unroll TAILS
#endif
        for (int q0 = warp * 16; q0 < TH * P; q0 += WARPS * 16) {
            int c[2][4], high[2][4] = {}, low[2][4] = {};
#pragma unroll
            for (int k = 0; k < 8; k++) c[k / 4][k % 4] = first[k / 4 * 2 + k % 2];
#pragma unroll
            for (int s = 0; s < 3; s++) { // k = 8 * (ky % 2) + kx
                uint32_t a[2];
#pragma unroll
                for (int half = 0; half < 2; half++) {
                    int q = q0 + g + 8 * half, row = min(top + q / P, cell_rows - 1), column = min(left + q % P, cell_columns - 1);
                    a[half] = four_bytes(luma, (2 * (row + MARGIN) - 1 + 2 * s + (t >> 1)) * pitch + 2 * (column + MARGIN) - 1 + 4 * (t & 1), limit) ^ 0x80808080u;
                }
                mma16(high[0], a[0], a[1], k[s].x);
                mma16(high[1], a[0], a[1], k[s].y);
                mma16(low[0], a[0], a[1], k[s].z);
                mma16(low[1], a[0], a[1], k[s].w);
            }
#pragma unroll
            for (int tap = 0; tap < 9; tap++) {
                uint32_t a[4];
                ldmatrix(a, mine + q0 + (tap / 3) * P + tap % 3);
                mma32(c[0], a, b[tap].x, b[tap].y);
                mma32(c[1], a, b[tap].z, b[tap].w);
            }
#pragma unroll
            for (int half = 0; half < 2; half++) {
                int q = q0 + g + 8 * half, r = q / P, x = q % P, row = top + r, column = left + x;
                float v[4];
#if WITHIN
                float low_bound = least[r * TW + x] - BEYOND + 0.5f, high_bound = most[r * TW + x] + BEYOND + 0.5f;
#endif
#pragma unroll
                for (int n = 0; n < 4; n++) {
                    int j = n >> 1, e = 2 * half + (n & 1);
                    float cubic = (float)(128 * high[j][e] + low[j][e] + 128 * 16384) * (1.0f / 16384);
                    float detail = scaled(c[j][e], high_factor[n], low_factor[n], rest[n]);
                    float value = __fadd_rd(detail, cubic);
#if WITHIN
                    value = fminf(fmaxf(value, low_bound), high_bound);
#endif
                    v[n] = rounded(value, 0.f, 255.f);
                }
                if (r < TH && x < TW && row < cell_rows && column < cell_columns) {
#if NV12
                    int at = (4 * row + t) * cell_columns + column;
#else
                    int at = ((row + MARGIN) * grid_columns + column + MARGIN) * 6 + t;
#endif
                    out[at] = packed(v[0], v[1], v[2], v[3]);
                }
            }
        }
    }

    // chroma: a separable bicubic, in exact integers
    {
        int along_y[2][TAPS], along_x[2][TAPS];
#pragma unroll
        for (int k = 0; k < 2 * TAPS; k++) {
            along_y[k / TAPS][k % TAPS] = __ldg(chroma_taps + k);
            along_x[k / TAPS][k % TAPS] = __ldg(chroma_taps + 2 * TAPS + k);
        }
        int chroma_pitch = STEP == 1 ? grid_columns + 2 : pitch;
        int plane = (STEP == 1 ? grid_rows + 2 : 2 * grid_rows + 1) * chroma_pitch;
        int last = (2 * plane - 1) >> 2;
#if CHROMAS > 1
#pragma unroll CHROMAS
#endif
        for (int k = threadIdx.x; k < TH * TW; k += 32 * WARPS) {
            int row = top + k / TW, column = left + k % TW;
            if (row >= cell_rows || column >= cell_columns) continue;
            uint32_t made[2][2][2];
#pragma unroll
            for (int c = 0; c < 2; c++) {
                int sums[2][2] = {};
#pragma unroll
                for (int y = 0; y < TAPS; y++) {
                    int at = c * plane + (STEP * (row + MARGIN) - 1 + y) * chroma_pitch + STEP * (column + MARGIN) - 1;
                    uint32_t near = four_bytes(chroma, at, last), far = four_bytes(chroma, at + 4, last);
                    int across[2] = {};
#pragma unroll
                    for (int x = 0; x < TAPS; x++) {
                        int sample = ((x < 4 ? near : far) >> (8 * (x & 3))) & 255;
                        across[0] += along_x[0][x] * sample;
                        across[1] += along_x[1][x] * sample;
                    }
#pragma unroll
                    for (int k = 0; k < 4; k++) sums[k / 2][k % 2] += along_y[k / 2][y] * across[k % 2];
                }
#pragma unroll
                for (int k = 0; k < 4; k++) made[c][k / 2][k % 2] = nearest(sums[k / 2][k % 2]);
            }
#pragma unroll
            for (int k = 0; k < 2; k++) {
#if NV12
                out[(4 * cell_rows + 2 * row + k) * cell_columns + column] =
                    word(made[0][k][0], made[1][k][0], made[0][k][1], made[1][k][1]);
#else
                out[((row + MARGIN) * grid_columns + column + MARGIN) * 6 + 4 + k] =
                    word(made[k][0][0], made[k][0][1], made[k][1][0], made[k][1][1]);
#endif
            }
        }
    }
}
