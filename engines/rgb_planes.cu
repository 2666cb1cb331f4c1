// RGB as the planes that networks read, and the NV12 that they write as RGB again, a launch each. Each product and each
// sum is rounded by itself, as by PyTorch's operations. Compiles with NVRTC, and with g++ -DEMULATED
// (tests/support/rgb_planes_on_cpu.cpp).
#ifndef EMULATED
typedef unsigned char uint8_t;
#endif

// rgb_planes.py defines these: PLANES and RGB, three rows of three factors and an offset each, from RGB to Y, U and V of
// full range and back; BEFORE and AFTER, the samples around the picture; THREADS of a block.

static __device__ uint8_t mixed(const float* row, float a, float b, float c) {
    float sum = __fadd_rn(__fadd_rn(__fmul_rn(row[0], a), __fmul_rn(row[1], b)), __fmul_rn(row[2], c));
    return (uint8_t)min(max(__float2int_rn(__fadd_rn(sum, row[3])), 0), 255);
}

// A sample of each padded plane of 4:4:4 a thread, the two of chroma one after the other. Steps are in samples, from row
// to row and from column to column. A picture of odd sides is made even by its last row and column.
extern "C" __global__ void planes_of_rgb(const uint8_t* red, const uint8_t* green, const uint8_t* blue, uint8_t* luma,
                                         uint8_t* chroma, int row_step, int column_step, int height, int width) {
    const float factors[12] = {PLANES};
    int rows = height + height % 2 + BEFORE + AFTER, columns = width + width % 2 + BEFORE + AFTER;
    int row = blockIdx.y, column = blockIdx.x * THREADS + threadIdx.x;
    if (column >= columns) return;
    long long from = (long long)min(max(row - BEFORE, 0), height - 1) * row_step;
    from += (long long)min(max(column - BEFORE, 0), width - 1) * column_step;
    float r = red[from], g = green[from], b = blue[from];
    long long at = (long long)row * columns + column;
    luma[at] = mixed(factors, r, g, b);
    chroma[at] = mixed(factors + 4, r, g, b);
    chroma[at + (long long)rows * columns] = mixed(factors + 8, r, g, b);
}

// A sample of each chroma plane a thread, and the 2x2 pixels around it, whose chroma is bilinear between samples that lie
// in their middles. Planes of RGB (3, 2 height, 2 width), without what NV12 has beyond, of an odd height or width.
extern "C" __global__ void rgb_of_nv12(const uint8_t* nv12, uint8_t* rgb, int height, int width) {
    const float factors[12] = {RGB};
    int row = blockIdx.y, column = blockIdx.x * THREADS + threadIdx.x;
    if (column >= width) return;
    int chroma_rows = height + height % 2, pairs = width + width % 2;
    const uchar2* both = (const uchar2*)nv12 + 2LL * chroma_rows * pairs;
    int near_rows[3] = {max(row - 1, 0), row, min(row + 1, chroma_rows - 1)};
    int near_columns[3] = {max(column - 1, 0), column, min(column + 1, pairs - 1)};
    uchar2 near[3][3];
    for (int y = 0; y < 3; y++)
        for (int x = 0; x < 3; x++) near[y][x] = both[(long long)near_rows[y] * pairs + near_columns[x]];
    for (int y = 0; y < 2; y++) {
        uchar2 light = ((const uchar2*)nv12)[(2LL * row + y) * pairs + column];
        uint8_t pixels[3][2];
        for (int x = 0; x < 2; x++) {
            uchar2 here = near[1][1], beside = near[1][2 * x], above = near[2 * y][1], across = near[2 * y][2 * x];
            float u = (9 * here.x + 3 * (beside.x + above.x) + across.x) * 0.0625f;
            float v = (9 * here.y + 3 * (beside.y + above.y) + across.y) * 0.0625f;
            for (int c = 0; c < 3; c++) pixels[c][x] = mixed(factors + 4 * c, x == 0 ? light.x : light.y, u, v);
        }
        for (int c = 0; c < 3; c++)
            ((uchar2*)rgb)[(2LL * c * height + 2LL * row + y) * width + column] = make_uchar2(pixels[c][0], pixels[c][1]);
    }
}
