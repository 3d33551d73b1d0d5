/* Copying that can fail: one instruction, whose faults a handler recognizes. */
#include <core/util/guard.h>

#include <stdint.h>
#include <string.h>
#include <ucontext.h>

#if defined(__x86_64__)

bool pb_guard_copy(void *to, const void *from, size_t bytes);

__asm__(".pushsection .text\n"
        ".globl pb_guard_copy\n"
        ".type pb_guard_copy, @function\n"
        "pb_guard_copy:\n"
        "    movq %rdx, %rcx\n"
        "pb_guard_access:\n"
        "    rep movsb\n"
        "    movl $1, %eax\n"
        "    ret\n"
        "pb_guard_failed:\n"
        "    xorl %eax, %eax\n"
        "    ret\n"
        ".size pb_guard_copy, . - pb_guard_copy\n"
        ".popsection\n");

extern const char pb_guard_access[], pb_guard_failed[];

bool pb_guard_recover(void *ucontext)
{
    greg_t *pc = &((ucontext_t *)ucontext)->uc_mcontext.gregs[REG_RIP];

    if ((uintptr_t)*pc != (uintptr_t)pb_guard_access)
        return false;
    *pc = (greg_t)(uintptr_t)pb_guard_failed;
    return true;
}

#else

/* Only machines run on other hosts. */
bool pb_guard_copy(void *to, const void *from, size_t bytes)
{
    memcpy(to, from, bytes);
    return true;
}

bool pb_guard_recover(void *ucontext)
{
    (void)ucontext;
    return false;
}

#endif
