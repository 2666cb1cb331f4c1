// An NVIDIA driver with one GPU that can do nothing: enough for libraries to find it, and for FFmpeg to open a device.
// gcc -shared -fPIC -o libcuda.so.1 stand_in_driver.c; ACTIVE_CONTEXT=1: the primary context exists, with other flags
// than FFmpeg's; CALLS_LOGGED=1: the names of calls that change contexts go to stderr.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void* const CONTEXT = (void*)0x1000;

static int log_call(const char* name) {
    if (getenv("CALLS_LOGGED")) fprintf(stderr, "%s\n", name);
    return 0;
}
#define SUCCEEDS(name) \
    int name() { return log_call(#name); }

// All that FFmpeg's loader asks for.
SUCCEEDS(cuArray3DCreate_v2) SUCCEEDS(cuArrayCreate_v2) SUCCEEDS(cuArrayDestroy) SUCCEEDS(cuCtxCreate_v2)
SUCCEEDS(cuCtxDestroy_v2) SUCCEEDS(cuCtxPopCurrent_v2) SUCCEEDS(cuCtxPushCurrent_v2)
SUCCEEDS(cuCtxSetLimit) SUCCEEDS(cuDestroyExternalMemory) SUCCEEDS(cuDestroyExternalSemaphore)
SUCCEEDS(cuDeviceGetByPCIBusId) SUCCEEDS(cuDeviceGetLuid) SUCCEEDS(cuDeviceGetPCIBusId) SUCCEEDS(cuDeviceGetUuid)
SUCCEEDS(cuDeviceGetUuid_v2) SUCCEEDS(cuDevicePrimaryCtxRelease) SUCCEEDS(cuDevicePrimaryCtxReset)
SUCCEEDS(cuDevicePrimaryCtxSetFlags) SUCCEEDS(cuEGLStreamConsumerDisconnect) SUCCEEDS(cuEGLStreamProducerConnect)
SUCCEEDS(cuEGLStreamProducerDisconnect) SUCCEEDS(cuEGLStreamProducerPresentFrame)
SUCCEEDS(cuEGLStreamProducerReturnFrame) SUCCEEDS(cuEventCreate) SUCCEEDS(cuEventDestroy_v2) SUCCEEDS(cuEventQuery)
SUCCEEDS(cuEventRecord) SUCCEEDS(cuEventSynchronize) SUCCEEDS(cuExternalMemoryGetMappedBuffer)
SUCCEEDS(cuExternalMemoryGetMappedMipmappedArray) SUCCEEDS(cuGLGetDevices_v2) SUCCEEDS(cuGraphicsGLRegisterImage)
SUCCEEDS(cuGraphicsMapResources) SUCCEEDS(cuGraphicsResourceGetMappedPointer_v2)
SUCCEEDS(cuGraphicsSubResourceGetMappedArray) SUCCEEDS(cuGraphicsUnmapResources)
SUCCEEDS(cuGraphicsUnregisterResource) SUCCEEDS(cuImportExternalMemory) SUCCEEDS(cuImportExternalSemaphore)
SUCCEEDS(cuLaunchKernel) SUCCEEDS(cuLinkAddData) SUCCEEDS(cuLinkComplete) SUCCEEDS(cuLinkCreate)
SUCCEEDS(cuLinkDestroy) SUCCEEDS(cuMemAllocManaged) SUCCEEDS(cuMemAllocPitch_v2) SUCCEEDS(cuMemFree_v2)
SUCCEEDS(cuMemcpy) SUCCEEDS(cuMemcpy2DAsync_v2) SUCCEEDS(cuMemcpy2D_v2) SUCCEEDS(cuMemcpyAsync)
SUCCEEDS(cuMemcpyDtoDAsync_v2) SUCCEEDS(cuMemcpyDtoD_v2) SUCCEEDS(cuMemcpyDtoHAsync_v2) SUCCEEDS(cuMemcpyDtoH_v2)
SUCCEEDS(cuMemcpyHtoDAsync_v2) SUCCEEDS(cuMemcpyHtoD_v2) SUCCEEDS(cuMemsetD8Async) SUCCEEDS(cuMipmappedArrayDestroy)
SUCCEEDS(cuMipmappedArrayGetLevel) SUCCEEDS(cuModuleGetFunction) SUCCEEDS(cuFuncSetAttribute) SUCCEEDS(cuModuleGetGlobal) SUCCEEDS(cuModuleLoadData)
SUCCEEDS(cuModuleUnload) SUCCEEDS(cuSignalExternalSemaphoresAsync) SUCCEEDS(cuStreamAddCallback)
SUCCEEDS(cuStreamCreate) SUCCEEDS(cuStreamDestroy_v2) SUCCEEDS(cuStreamQuery) SUCCEEDS(cuStreamSynchronize)
SUCCEEDS(cuStreamWaitEvent) SUCCEEDS(cuTexObjectCreate) SUCCEEDS(cuTexObjectDestroy)
SUCCEEDS(cuWaitExternalSemaphoresAsync)

int cuInit(int flags) { return 0; }
int cuDriverGetVersion(int* version) { *version = 13000; return 0; }
int cuDeviceGetCount(int* count) { *count = 1; return 0; }
int cuDeviceGet(int* device, int index) { *device = index; return 0; }
int cuDeviceGetName(char* name, int length, int device) { strncpy(name, "Stand-in", length); return 0; }
int cuDeviceTotalMem_v2(unsigned long* bytes, int device) { *bytes = 80ul << 30; return 0; }
int cuDeviceGetAttribute(int* value, int attribute, int device) {
    // compute capability 9.0, texture alignment, shared memory of a block
    *value = attribute == 75 ? 9 : attribute == 14 ? 512 : attribute == 97 ? 227 << 10 : 0;
    return 0;
}
int cuDeviceComputeCapability(int* major, int* minor, int device) { *major = 9; *minor = 0; return 0; }
int cuGetErrorName(int error, const char** name) { *name = "STAND_IN"; return 0; }
int cuGetErrorString(int error, const char** text) { *text = "of the stand-in"; return 0; }
int cuDevicePrimaryCtxGetState(int device, unsigned* flags, int* active) {
    *flags = 0;
    *active = getenv("ACTIVE_CONTEXT") != NULL;
    return 0;
}
int cuDevicePrimaryCtxRetain(void** context, int device) { *context = CONTEXT; return log_call("cuDevicePrimaryCtxRetain"); }
int cuCtxGetDevice(int* device) { *device = 0; return 0; }
int cuCtxGetCurrent(void** context) { *context = CONTEXT; return 0; }
int cuMemAlloc_v2(unsigned long* address, unsigned long bytes) { *address = (unsigned long)malloc(bytes); return 0; }

// What Triton's launcher needs beside.
SUCCEEDS(cuCtxGetLimit) SUCCEEDS(cuCtxSetCurrent) SUCCEEDS(cuFuncSetCacheConfig) SUCCEEDS(cuLaunchKernelEx)
int cuFuncGetAttribute(int* value, int attribute, void* function) {
    *value = attribute == 0 ? 1024 : 0;  // threads that a block may have
    return 0;
}
int cuPointerGetAttribute(void** value, int attribute, void* pointer) { *value = pointer; return 0; }

// How NVIDIA's Python bindings find the calls.
int cuGetProcAddress_v2(const char* symbol, void** found, int version, unsigned long flags, int* status) {
    char later[128];
    snprintf(later, sizeof later, "%s_v2", symbol);
    Dl_info here;
    dladdr((void*)cuInit, &here);
    void* self = dlopen(here.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    *found = dlsym(self, later);
    if (*found == NULL) *found = dlsym(self, symbol);
    if (status != NULL) *status = *found == NULL;
    return *found == NULL ? 500 : 0;
}
