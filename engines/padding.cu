// Decoded planes, NV12 or P010, copied into planes that are padded by replication, in one launch: a sample of luma, or one
// of each chroma plane, a thread. Compiles with NVRTC, and with g++ -DEMULATED (tests/support/padding_on_cpu.cpp).
#ifndef EMULATED
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
#endif

// padding.py defines these: SAMPLE, its type; SHIFT, the bits below a code value; BEFORE and AFTER, the samples of luma
// around the picture; AROUND, those of chroma; THREADS of a block.
#ifndef SAMPLE
#define SAMPLE uint8_t
#define SHIFT 0
#define BEFORE 11
#define AFTER 10
#define AROUND 6
#define THREADS 128
#endif

// Pitches are in samples. Rows of blocks: those of padded luma, and after them those of padded chroma.
extern "C" __global__ void pad(const SAMPLE* y, const SAMPLE* uv, SAMPLE* luma, SAMPLE* chroma, int y_pitch, int uv_pitch,
                               int height, int width) {
    int row = blockIdx.y, column = blockIdx.x * THREADS + threadIdx.x;
    int rows = height + BEFORE + AFTER, columns = width + BEFORE + AFTER;
    if (row < rows) {
        if (column >= columns) return;
        int from_row = min(max(row - BEFORE, 0), height - 1), from_column = min(max(column - BEFORE, 0), width - 1);
        luma[(long long)row * columns + column] = y[(long long)from_row * y_pitch + from_column] >> SHIFT;
        return;
    }
    row -= rows;
    height /= 2;
    width /= 2;
    rows = height + 2 * AROUND;
    columns = width + 2 * AROUND;
    if (column >= columns) return;
    int from_row = min(max(row - AROUND, 0), height - 1), from_column = min(max(column - AROUND, 0), width - 1);
    const SAMPLE* pair = uv + (long long)from_row * uv_pitch + 2 * from_column;
    long long at = (long long)row * columns + column;
    chroma[at] = pair[0] >> SHIFT;
    chroma[at + (long long)rows * columns] = pair[1] >> SHIFT;
}
