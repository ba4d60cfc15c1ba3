// The parts of the tests of the CUDA device under emulation.
#pragma once

#include "device_case.h"

namespace fastweight::test {

void testEmulation();
/// Memory, copies, markers, failures.
void testRuntime(Device& device);
/// Tensors stored as bfloat16.
void testStorage(Device& device);
/// Captured work and its keys.
void testGraphs();
/// Scans that are queued again.
void testScanReplays();

/// Attention on a GPU whose blocks have 99 KB of shared memory.
void testSmallSharedMemory(Device& cpu);
/// Products by our own kernels.
void testTileProducts();

/// Each adds cases that the CUDA device and the CPU device have to agree on.
void addProductCases(DeviceCases* cases);
void addPrimitiveCases(DeviceCases* cases);
void addElementwiseCases(DeviceCases* cases);
void addMovementCases(DeviceCases* cases);
void addReduceCases(DeviceCases* cases);
void addSequenceCases(DeviceCases* cases);
void addAttentionCases(DeviceCases* cases);
void addOptimizerCases(DeviceCases* cases);
void addRandomCases(DeviceCases* cases);
void addConvolutionCases(DeviceCases* cases);

}  // namespace fastweight::test
