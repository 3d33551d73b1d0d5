/*
 * What the host's processor and kernel need of machine code: system calls that signals do not slip past, and handlers
 * of signals that the C library keeps for itself. x86-64 only.
 */
#include <core/user/internal.h>

#include <ucontext.h>
#include <unistd.h>

#if defined(__x86_64__)

/* A signal that comes before the instruction `syscall` begins is seen by the test, or its handler finds the program
 * counter between begin and end and moves it to the way out. After it the kernel has been entered, and returns EINTR. */
__asm__(".pushsection .text\n"
        ".globl pb_user_host_call\n"
        ".type pb_user_host_call, @function\n"
        "pb_user_host_call:\n"
        "    pushq %rbx\n"
        "    movq %rdi, %rbx\n" /* stop */
        "    movq %rsi, %rax\n"
        "    movq %rdx, %rdi\n"
        "    movq %rcx, %rsi\n"
        "    movq %r8, %rdx\n"
        "    movq %r9, %r10\n"
        "    movq 16(%rsp), %r8\n"
        "    movq 24(%rsp), %r9\n"
        "pb_user_host_begin:\n"
        "    cmpl $0, (%rbx)\n"
        "    jne pb_user_host_stopped\n"
        "    syscall\n"
        "pb_user_host_end:\n"
        "    popq %rbx\n"
        "    ret\n"
        "pb_user_host_stopped:\n"
        "    movq $-512, %rax\n"
        "    popq %rbx\n"
        "    ret\n"
        ".size pb_user_host_call, . - pb_user_host_call\n"
        "pb_user_host_restorer:\n"
        "    movl $15, %eax\n" /* rt_sigreturn */
        "    syscall\n"
        ".popsection\n");

extern const char pb_user_host_begin[], pb_user_host_end[], pb_user_host_stopped[],
    pb_user_host_restorer[];

_Static_assert(RESTART_AT_ONCE == 512, "is written above");

void pb_user_host_stop(void *ucontext)
{
    greg_t *pc = &((ucontext_t *)ucontext)->uc_mcontext.gregs[REG_RIP];

    if ((uintptr_t)*pc >= (uintptr_t)pb_user_host_begin &&
        (uintptr_t)*pc < (uintptr_t)pb_user_host_end)
        *pc = (greg_t)(uintptr_t)pb_user_host_stopped;
}

uintptr_t pb_user_host_pc(const void *ucontext)
{
    return (uintptr_t)((const ucontext_t *)ucontext)->uc_mcontext.gregs[REG_RIP];
}

void pb_user_host_go_on(void *ucontext, const void *pc)
{
    ((ucontext_t *)ucontext)->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)pc;
}

uintptr_t pb_user_host_fault_address(const void *ucontext)
{
    return (uintptr_t)((const ucontext_t *)ucontext)->uc_mcontext.gregs[REG_CR2];
}

#define SA_RESTORER_FLAG 0x04000000u

int pb_user_host_sigaction(int signal, const void *handler, uint64_t flags)
{
    const struct {
        const void *handler;
        uint64_t flags;
        const void *restorer;
        uint64_t mask;
    } action = { handler, flags | SA_RESTORER_FLAG, pb_user_host_restorer, UINT64_MAX };

    return syscall(SYS_rt_sigaction, signal, &action, NULL, sizeof(action.mask)) < 0 ? -errno : 0;
}

#else
#error "user mode: this host's system calls are not written yet"
#endif
