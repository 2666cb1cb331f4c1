// engines/one_launch.cu, as kernel.cu, on the CPU, block by block. bare_machine/cuda/bindings/nvrtc.py compiles it.
#define EMULATED
#include "kernel.cu"

uint4 map[2 * PLANE];
int current, block_threads = 32 * WARPS;
static const int STACK = 1 << 17;
static ucontext_t scheduler, fibers[32 * WARPS];
static bool done[32 * WARPS];
static std::vector<char> stacks(32 * WARPS * STACK);
static struct {
    const uint8_t *luma, *chroma; uint32_t* out; const uint4 *head, *body, *tail, *cubic; const int* starts; const float* factors;
    const int* taps; int rows, columns;
} given;

void let_others_run() { swapcontext(&fibers[current], &scheduler); }

static void thread(int k) {
    one_launch(given.luma, given.chroma, given.out, given.head, given.body, given.tail, given.cubic, given.starts,
               given.factors, given.taps, given.rows, given.columns);
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

extern "C" const char* one_launch_kinds() { return "ppppppppppii"; }

extern "C" int shared_bytes() { return sizeof map; }

extern "C" int threads() { return block_threads; }

extern "C" void one_launch_run(int grid_columns, int grid_rows, const uint8_t* luma, const uint8_t* chroma, uint32_t* out,
                               const uint4* head, const uint4* body, const uint4* tail, const uint4* cubic,
                               const int* starts, const float* factors, const int* taps, int rows, int columns) {
    given = {luma, chroma, out, head, body, tail, cubic, starts, factors, taps, rows, columns};
    for (int y = 0; y < grid_rows; y++)
        for (int x = 0; x < grid_columns; x++) {
            blockIdx = {x, y};
            block();
        }
}
