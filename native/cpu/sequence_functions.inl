// Compiled once for each instruction set.
#pragma once

#include "cpu/activations.inl"
#include "cpu/attention.inl"
#include "cpu/attention_backward.inl"
#include "cpu/cross_entropy.inl"
#include "cpu/normalise_rows.inl"
#include "cpu/rotary.inl"
#include "cpu/sequence_functions.h"

namespace fastweight::cpu::FASTWEIGHT_ISA {

static const SequenceFunctions kFunctions = {
    kColumns,      attentionScratch,      attention, attentionDelta, attentionBackward,
    normaliseRows, normaliseRowsBackward, rotary,    activate,       activateBackward,
    crossEntropy,  crossEntropyBackward,
};

}  // namespace fastweight::cpu::FASTWEIGHT_ISA
