/*
 * Traps of the host's processor that belong to emitted code: floating point that is invalid (SIGFPE), and the step behind an
 * instruction that was to be done in spite of it (SIGTRAP).
 *
 * Emitted code may run with invalid operations unmasked (pb_codegen_type.traps), and so does what it calls. So an operation that traps
 * is one of emitted code, of C on a vCPU's thread, or of C on a thread that such C made, which inherits the mask: that one goes on
 * masked, for nobody there counts on a trap.
 */
#include <core/vcpu/internal.h>

#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { SIGNALS = 2 };

static const int signals[SIGNALS] = { SIGFPE, SIGTRAP };
static struct sigaction before[SIGNALS];

#if defined(__x86_64__)

static const uint8_t *pc_of(const ucontext_t *context)
{
    return (const uint8_t *)(uintptr_t)context->uc_mcontext.gregs[REG_RIP];
}

static bool mask_invalid(ucontext_t *context)
{
    context->uc_mcontext.fpregs->mxcsr |= 0x80; /* IM: Intel SDM volume 1, 10.2.3 */
    return true;
}

#else

static const uint8_t *pc_of(const ucontext_t *context)
{
    (void)context;
    return NULL;
}

static bool mask_invalid(ucontext_t *context)
{
    (void)context;
    return false;
}

#endif

bool pb_vcpu_host_trap(int signal, const siginfo_t *info, void *context)
{
    pb_vcpu *vcpu = pb_vcpu_current();
    const pb_cpus *cpus = vcpu ? pb_vcpu_core_of(vcpu)->cpus : NULL;
    const pb_accel_type *accel = cpus ? cpus->accel_type : NULL;
    pb_host_trap trap = {
        .size = sizeof(trap), .signal = (uint32_t)signal, .pc = pc_of(context), .context = context
    };

    if (info->si_code != (signal == SIGFPE ? FPE_FLTINV : TRAP_TRACE))
        return false;
    if (accel && PB_ACCEL_HAS(accel, host_trap) && accel->host_trap &&
        accel->host_trap(cpus->accel, vcpu, &trap))
        return true;
    return signal == SIGFPE && mask_invalid(context);
}

/* What is not ours is whose it was before, and comes again: blocked here, it waits until the handler is left. */
static void on_trap(int signal, siginfo_t *info, void *context)
{
    if (pb_vcpu_host_trap(signal, info, context))
        return;
    sigaction(signal, &before[signal != signals[0]], NULL);
    syscall(SYS_tgkill, getpid(), gettid(), signal);
}

static void catch_traps(void)
{
    struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_RESTART };
    sigset_t ours;

    sigfillset(&action.sa_mask);
    sigemptyset(&ours);
    for (int i = 0; i < SIGNALS; i++) {
        sigaction(signals[i], &action, &before[i]);
        sigaddset(&ours, signals[i]);
    }
    pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
}

void pb_vcpu_catch_traps(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, catch_traps);
}
