/* The vector and FP registers in a signal frame of aarch64 Linux (arch/arm64/include/uapi/asm/sigcontext.h). */
#ifndef INSN_TEST_FRAME_H
#define INSN_TEST_FRAME_H

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <ucontext.h>
#include <unistd.h>

static inline struct fpsimd_context *fp_of(ucontext_t *context)
{
    uint8_t *at = context->uc_mcontext.__reserved;
    struct _aarch64_ctx *head = (struct _aarch64_ctx *)at;

    while (head->magic != FPSIMD_MAGIC) {
        if (!head->magic || !head->size) {
            fputs("no FP state in the signal frame\n", stderr);
            _exit(1);
        }
        at += head->size;
        head = (struct _aarch64_ctx *)at;
    }
    return (struct fpsimd_context *)head;
}

#endif
