// benchmarks/one_launch/luma.cu on the CPU, block by block: g++ -std=c++17 -shared -I tests/support -I benchmarks/one_launch
#define EMULATED
#include "luma.cu"

uint4 map[2 * PLANE];
int current, block_threads = 32 * WARPS;
static const int STACK = 1 << 17;
static ucontext_t scheduler, fibers[32 * WARPS];
static bool done[32 * WARPS];
static std::vector<char> stacks(32 * WARPS * STACK);
static struct {
    const uint8_t* luma; uint32_t* out; const uint4 *head, *body, *tail, *cubic; const float *scales, *biases;
    int pitch, rows, columns;
} given;

void let_others_run() { swapcontext(&fibers[current], &scheduler); }

static void thread(int k) {
    luma_one_launch(given.luma, given.out, given.head, given.body, given.tail, given.cubic, given.scales, given.biases,
                    given.pitch, given.rows, given.columns);
    done[k] = true;
}

static void block() {
    memset(map, 0x5a, sizeof map);
    for (int k = 0; k < block_threads; k++) {
        getcontext(&fibers[k]);
        fibers[k].uc_stack.ss_sp = &stacks[(size_t)k * STACK];
        fibers[k].uc_stack.ss_size = STACK;
        fibers[k].uc_link = &scheduler;
        done[k] = false;
        makecontext(&fibers[k], (void (*)())thread, 1, k);
    }
    for (bool any = true; any;) {
        any = false;
        for (int k = 0; k < block_threads; k++)
            if (!done[k]) {
                any = true;
                current = k;
                threadIdx = {k, 0};
                swapcontext(&scheduler, &fibers[k]);
            }
    }
}

extern "C" int shared_bytes() { return sizeof map; }

extern "C" void run(const uint8_t* luma, uint32_t* out, const uint4* head, const uint4* body, const uint4* tail,
                    const uint4* cubic, const float* scales, const float* biases, int pitch, int rows, int columns) {
    given = {luma, out, head, body, tail, cubic, scales, biases, pitch, rows, columns};
    for (int y = 0; y * TH < rows; y++)
        for (int x = 0; x * TW < columns; x++) {
            blockIdx = {x, y};
            block();
        }
}
