/*
 * Executes single A64 instructions and records what they did: run by make.py under an emulator or on hardware.
 *
 * Each record's state is put into a signal frame; returning from the handler loads it and executes the instruction, behind
 * and around which stands BRK. The trap's frame then has the whole state after it. A branch elsewhere faults at its
 * target, which tells as much.
 */
#define _GNU_SOURCE
#include <asm/sigcontext.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

/* The same in make.py. */
#define CODE_PAGE UINT64_C(0x20010000)
#define CODE      UINT64_C(0x20010800)
#define DATA      UINT64_C(0x20020000)
#define PAGE      4096

typedef struct record {
    uint32_t insn, nzcv, fpcr, fpsr;
    uint64_t x[31], sp, pc;
    uint64_t signal;
    __uint128_t v[32];
    uint8_t data[PAGE];
} record;

static record now;
static sigjmp_buf done;

static struct fpsimd_context *fpsimd(ucontext_t *context)
{
    uint8_t *at = context->uc_mcontext.__reserved;

    for (;;) {
        struct _aarch64_ctx *head = (void *)at;

        if (head->magic == FPSIMD_MAGIC)
            return (void *)head;
        if (head->size == 0)
            _exit(3);
        at += head->size;
    }
}

static void load(int signal, siginfo_t *info, void *opaque)
{
    ucontext_t *context = opaque;
    struct fpsimd_context *fp = fpsimd(context);

    memcpy(context->uc_mcontext.regs, now.x, sizeof(now.x));
    context->uc_mcontext.sp = now.sp;
    context->uc_mcontext.pc = CODE;
    context->uc_mcontext.pstate = now.nzcv;
    memcpy(fp->vregs, now.v, sizeof(now.v));
    fp->fpcr = now.fpcr;
    fp->fpsr = now.fpsr;
}

static void stopped(int signal, siginfo_t *info, void *opaque)
{
    ucontext_t *context = opaque;
    struct fpsimd_context *fp = fpsimd(context);

    memcpy(now.x, context->uc_mcontext.regs, sizeof(now.x));
    now.sp = context->uc_mcontext.sp;
    now.pc = context->uc_mcontext.pc;
    now.nzcv = context->uc_mcontext.pstate & 0xf0000000;
    memcpy(now.v, fp->vregs, sizeof(now.v));
    now.fpsr = fp->fpsr;
    now.fpcr = fp->fpcr;
    now.signal = signal;
    siglongjmp(done, 1);
}

static void catch (int signal, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action = { .sa_sigaction = handler,
                                .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };

    sigaction(signal, &action, NULL);
}

int main(int argc, char **argv)
{
    static uint8_t stack[1 << 16];
    uint32_t *code = mmap((void *)CODE_PAGE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    uint8_t *data = mmap((void *)DATA, PAGE, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    int in = open(argv[1], O_RDONLY), out = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0644);
    stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };

    if (argc != 3 || code == MAP_FAILED || data == MAP_FAILED || in < 0 || out < 0)
        return 2;
    sigaltstack(&alternate, NULL);
    catch (SIGUSR1, load);
    catch (SIGTRAP, stopped);
    catch (SIGSEGV, stopped);
    catch (SIGBUS, stopped);
    catch (SIGILL, stopped);
    for (unsigned i = 0; i < PAGE / 4; i++)
        code[i] = 0xd4200000; /* BRK #0 */
    while (read(in, &now, sizeof(now)) == sizeof(now)) {
        code[(CODE - CODE_PAGE) / 4] = now.insn;
        __builtin___clear_cache((char *)code, (char *)code + PAGE);
        memcpy(data, now.data, PAGE);
        if (sigsetjmp(done, 1) == 0)
            raise(SIGUSR1);
        memcpy(now.data, data, PAGE);
        if (write(out, &now, sizeof(now)) != sizeof(now))
            return 2;
    }
    return 0;
}
