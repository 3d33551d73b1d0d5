/*
 * Linux's interface to AArch64 programs: the state at EL0, what becomes of exceptions, system calls, signal frames.
 *
 * Sources: Procedure Call Standard (IHI 0055); Linux, Documentation/arm64/elf_hwcaps.rst, cpu-feature-registers.rst,
 * tagged-pointers.rst; the user headers asm/sigcontext.h, asm/ucontext.h, asm/hwcap.h. DDI 0487, D17 "ESR_EL1" for syndromes.
 *
 * Left out: SVE, pointer authentication, BTI and MTE contexts, as the processors have none of them; 32-bit programs.
 */
#include "cpu.h"
#include "sysregs.h"

#include <stddef.h>

/* Linux's generic numbers. */
enum { SIG_ILL = 4, SIG_TRAP = 5, SIG_BUS = 7, SIG_SEGV = 11 };
enum { ILL_OPCODE = 1, TRAP_BREAKPOINT = 1, BUS_ALIGNMENT = 1, BUS_ADDRESS = 2, SEGV_MAPPING = 1 };

/* ---- memory ---------------------------------------------------------------------------------- */

/* Addresses of programs have bit 55 clear; the byte above is a tag (tagged-pointers.rst). */
static uint64_t without_tag(uint64_t gva)
{
    return gva & BIT64(55) ? gva : gva & ~(UINT64_C(0xff) << 56);
}

static bool refuse(pb_guest_fault *fault, uint32_t fsc)
{
    fault->info[0] = fsc + 3; /* found out at level 3 */
    fault->info[1] = 0;
    return false;
}

bool arm64_user_walk(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                     pb_guest_fault *fault)
{
    static const uint8_t needed[] = {
        [PB_ACCESS_READ] = PB_PROT_READ,
        [PB_ACCESS_WRITE] = PB_PROT_WRITE,
        [PB_ACCESS_FETCH] = PB_PROT_EXEC,
    };
    const arm64_cpu *cpu = cpu_of(vcpu);
    uint64_t gva = without_tag(request->gva);
    uint32_t prot;

    if (!cpu->user->find(vcpu, gva, &prot))
        return refuse(fault, FSC_TRANSLATION);
    if (!(prot & needed[request->type]))
        return refuse(fault, FSC_PERMISSION);
    /* An address with a tag is not remembered: who flushes a range of addresses does not name it. */
    *out = (pb_translation){ .gpa = gva,
                             .page_bytes = gva == request->gva ? PB_PAGE_SIZE : PB_PAGE_SIZE / 2,
                             .prot = prot,
                             .attrs = { .instruction = request->type == PB_ACCESS_FETCH } };
    return true;
}

/* ---- exceptions ------------------------------------------------------------------------------ */

static void tell(pb_vcpu *vcpu, uint64_t return_pc, const pb_user_event *event)
{
    vcpu->exclusive_bytes = 0; /* as ERET does */
    arm64_unwind(vcpu, return_pc);
    cpu_of(vcpu)->user->event(vcpu, event);
}

static void tell_signal(pb_vcpu *vcpu, int32_t signal, int32_t code, uint64_t address, uint64_t esr)
{
    const pb_user_event event = { .size = sizeof(event),
                                  .cause = PB_USER_SIGNAL,
                                  .signal = signal,
                                  .code = code,
                                  .address = address,
                                  .syndrome = esr };

    tell(vcpu, cpu_of(vcpu)->pc, &event);
}

static void tell_abort(pb_vcpu *vcpu, uint64_t esr, bool fetch)
{
    uint64_t far = cpu_of(vcpu)->sys[FAR_EL1];
    uint32_t fsc = (uint32_t)esr & 63;
    const pb_user_event fault = { .size = sizeof(fault),
                                  .cause = PB_USER_FAULT,
                                  .access = fetch           ? PB_ACCESS_FETCH
                                            : esr & 1u << 6 ? PB_ACCESS_WRITE
                                                            : PB_ACCESS_READ,
                                  .address = without_tag(far),
                                  .syndrome = esr };

    if ((fsc & ~3u) == FSC_TRANSLATION || (fsc & ~3u) == FSC_PERMISSION)
        tell(vcpu, cpu_of(vcpu)->pc, &fault);
    else if (fsc == FSC_ALIGNMENT)
        tell_signal(vcpu, SIG_BUS, BUS_ALIGNMENT, far, esr);
    else
        tell_signal(vcpu, SIG_BUS, BUS_ADDRESS, far, esr); /* a mapped file became shorter */
}

/* What programs see of an identification register (cpu-feature-registers.rst): fields that are not for them have the
 * value that says least. */
static uint64_t visible_id(pb_vcpu *vcpu, uint32_t encoding)
{
    const arm64_model *model = model_of(vcpu);

    switch (encoding) {
    case PB_ARM_SYSREG(3, 0, 0, 0, 0): /* MIDR_EL1 */
        return model->midr;
    case PB_ARM_SYSREG(3, 0, 0, 0, 5): /* MPIDR_EL1 */
        return BIT64(31);
    case PB_ARM_SYSREG(3, 0, 0, 0, 6): /* REVIDR_EL1 */
        return model->revidr;
    case PB_ARM_SYSREG(
        3, 0, 0, 4,
        0): /* ID_AA64PFR0_EL1: EL1 and EL0 are AArch64 only; FP and AdvSIMD are there */
        return 0x11;
    case PB_ARM_SYSREG(3, 0, 0, 5, 0): /* ID_AA64DFR0_EL1.DebugVer */
        return 6;
    case PB_ARM_SYSREG(3, 0, 0, 6, 0):
        return model->aa64isar0;
    case PB_ARM_SYSREG(3, 0, 0, 6, 1):
        return model->aa64isar1;
    case PB_ARM_SYSREG(3, 0, 0, 7, 0): /* ID_AA64MMFR0_EL1.TGran4, TGran64: none */
        return 0xff000000;
    default:
        return 0;
    }
}

/* MRS of what only EL1 can read: the kernel emulates it. */
static bool emulate_mrs(pb_vcpu *vcpu)
{
    arm64_cpu *cpu = cpu_of(vcpu);
    uint32_t attr = PB_MEM_SIZE_LOG2(2) | PB_MEM_MMU(MMU_E10_0);
    pb_guest_fault fault;
    uint32_t insn, encoding, crm;
    pb_u128 word;

    if (vcpu->ops->load(vcpu, cpu->pc, attr, &word, &fault) != PB_MEM_OK)
        return false;
    insn = (uint32_t)word.lo;
    if ((insn & 0xfff00000) != 0xd5300000) /* MRS: op0 is 2 or 3 */
        return false;
    encoding = PB_ARM_SYSREG(2 + (insn >> 19 & 1), insn >> 16 & 7, insn >> 12 & 15, insn >> 8 & 15,
                             insn >> 5 & 7);
    crm = insn >> 8 & 15;
    if ((insn >> 19 & 1) != 1 || (insn >> 16 & 7) != 0 || (insn >> 12 & 15) != 0)
        return false; /* S3_0_C0_* only */
    if (crm == 1 || crm > 7 ||
        (crm == 0 && encoding != PB_ARM_SYSREG(3, 0, 0, 0, 0) &&
         encoding != PB_ARM_SYSREG(3, 0, 0, 0, 5) && encoding != PB_ARM_SYSREG(3, 0, 0, 0, 6)))
        return false;
    if ((insn & 31) != 31)
        cpu->x[insn & 31] = visible_id(vcpu, encoding);
    arm64_unwind(vcpu, cpu->pc + 4);
    return true;
}

void arm64_user_take(pb_vcpu *vcpu, uint64_t esr, uint64_t return_pc)
{
    const arm64_cpu *cpu = cpu_of(vcpu);
    const pb_user_event call = { .size = sizeof(call), .cause = PB_USER_SYSCALL };
    uint32_t ec = (uint32_t)(esr >> 26) & 63;

    switch (ec) {
    case EC_SVC:
        tell(vcpu, return_pc, &call);
        break;
    case EC_IABT_LOWER:
    case EC_DABT_LOWER:
        tell_abort(vcpu, esr, ec == EC_IABT_LOWER);
        break;
    case EC_PC_ALIGN:
        tell_signal(vcpu, SIG_BUS, BUS_ALIGNMENT, cpu->sys[FAR_EL1], esr);
        break;
    case EC_SP_ALIGN:
        tell_signal(vcpu, SIG_BUS, BUS_ALIGNMENT, cpu->sp, esr);
        break;
    case EC_BRK:
        tell_signal(vcpu, SIG_TRAP, TRAP_BREAKPOINT, cpu->pc, esr);
        break;
    case EC_UNKNOWN:
    case EC_SYSREG:
        if (emulate_mrs(vcpu))
            break;
        /* fall through */
    default:
        tell_signal(vcpu, SIG_ILL, ILL_OPCODE, cpu->pc, esr);
    }
}

/* ---- registers ------------------------------------------------------------------------------- */

static void user_start(pb_vcpu *vcpu, uint64_t pc, uint64_t sp)
{
    arm64_cpu *cpu = cpu_of(vcpu);

    arm64_reset_state(vcpu);
    cpu->pstate = PSTATE_EL(0);
    cpu->sys[SCTLR_EL1] |= SCTLR_UCT | SCTLR_UCI | SCTLR_DZE | SCTLR_NTWI | SCTLR_NTWE;
    cpu->sys[SCTLR_EL1] &= ~(SCTLR_A | SCTLR_UMA | SCTLR_E0E);
    cpu->sys[SCTLR_EL1] |= SCTLR_SA0;
    cpu->sys[CPACR_EL1] = UINT64_C(3) << 20; /* FPEN */
    cpu->sys[CNTKCTL_EL1] = 2;               /* EL0VCTEN */
    cpu->sys[TCR_EL1] = BIT64(37);           /* TBI0 */
    cpu->pc = pc;
    cpu->sp = sp;
}

/* asm/hwcap.h */
static uint64_t hwcap(const pb_vcpu *vcpu)
{
    static const struct {
        uint8_t feature, bit;
    } rows[] = {
        { FEAT_BASE, 0 },  { FEAT_BASE, 1 },   { FEAT_AES, 3 },    { FEAT_PMULL, 4 },
        { FEAT_SHA1, 5 },  { FEAT_SHA256, 6 }, { FEAT_CRC32, 7 },  { FEAT_LSE, 8 },
        { FEAT_BASE, 11 }, { FEAT_RDM, 12 },   { FEAT_LRCPC, 15 }, { FEAT_DPB, 16 },
    };
    uint64_t caps = 0;

    for (uint32_t i = 0; i < PB_ARRAY_SIZE(rows); i++)
        caps |= (uint64_t)has_feature(vcpu, (arm64_feature)rows[i].feature) << rows[i].bit;
    return caps;
}

enum { AT_HWCAP = 16, AT_HWCAP2 = 26, AT_MINSIGSTKSZ = 51 };

static uint32_t user_auxv(pb_vcpu *vcpu, pb_user_aux *entries, uint32_t max)
{
    const pb_user_aux own[] = { { AT_HWCAP, hwcap(vcpu) },
                                { AT_HWCAP2, 0 },
                                { AT_MINSIGSTKSZ, arm64_user.frame_bytes } };
    uint32_t n = max < PB_ARRAY_SIZE(own) ? max : (uint32_t)PB_ARRAY_SIZE(own);

    memcpy(entries, own, n * sizeof(own[0]));
    return n;
}

static uint64_t user_syscall(pb_vcpu *vcpu, uint64_t arguments[6])
{
    const arm64_cpu *cpu = cpu_of(vcpu);

    memcpy(arguments, cpu->x, 6 * sizeof(uint64_t));
    return (uint32_t)cpu->x[8];
}

static void user_set_result(pb_vcpu *vcpu, int64_t result)
{
    cpu_of(vcpu)->x[0] = (uint64_t)result;
}

static void user_restart(pb_vcpu *vcpu, uint64_t first_argument)
{
    arm64_cpu *cpu = cpu_of(vcpu);

    cpu->x[0] = first_argument;
    cpu->pc -= 4;
}

static uint64_t user_get_sp(const pb_vcpu *vcpu)
{
    return cpu_of_const(vcpu)->sp;
}

static void user_set_sp(pb_vcpu *vcpu, uint64_t sp)
{
    cpu_of(vcpu)->sp = sp;
}

static uint64_t user_get_pc(const pb_vcpu *vcpu)
{
    return cpu_of_const(vcpu)->pc;
}

static void user_copy(pb_vcpu *to, const pb_vcpu *from, uint64_t sp)
{
    const arm64_cpu *old = cpu_of_const(from);
    arm64_cpu *cpu = cpu_of(to);

    user_start(to, old->pc, sp ? sp : old->sp);
    memcpy(cpu->x, old->x, sizeof(cpu->x));
    memcpy(cpu->v, old->v, sizeof(cpu->v));
    cpu->nzcv = old->nzcv;
    arm64_set_fpcr(to, old->fpcr);
    arm64_set_fpsr(to, arm64_fpsr(from));
    cpu->sys[TPIDR_EL0] = old->sys[TPIDR_EL0];
}

static void user_set_tls(pb_vcpu *vcpu, uint64_t address)
{
    cpu_of(vcpu)->sys[TPIDR_EL0] = address;
}

/* ---- signal frames: asm/sigcontext.h, asm/ucontext.h ------------------------------------------ */

typedef struct context_head {
    uint32_t magic, size;
} context_head;

#define FPSIMD_MAGIC 0x46508001u
#define ESR_MAGIC    0x45535201u

typedef struct fpsimd_context {
    context_head head;
    uint32_t fpsr, fpcr;
    pb_u128 v[32];
} fpsimd_context;

typedef struct esr_context {
    context_head head;
    uint64_t esr;
} esr_context;

typedef struct signal_frame {
    uint8_t info[PB_USER_SIGINFO];
    /* struct ucontext */
    uint64_t flags, link;
    uint64_t stack_base;
    int32_t stack_flags;
    uint32_t pad;
    uint64_t stack_bytes;
    uint64_t mask;
    uint8_t more_mask[120];
    uint8_t pad_context[8];
    /* struct sigcontext */
    uint64_t fault_address;
    uint64_t x[31], sp, pc, pstate;
    uint8_t pad_extra[8];
    uint8_t extra[4096];
    /* struct frame_record, for who walks the stack */
    uint64_t fp, lr;
} signal_frame;

_Static_assert(offsetof(signal_frame, fault_address) == PB_USER_SIGINFO + 176, "sigcontext");
_Static_assert(offsetof(signal_frame, extra) == PB_USER_SIGINFO + 176 + 288, "contexts");
_Static_assert(sizeof(signal_frame) % 16 == 0, "the stack pointer stays aligned");

static void user_deliver(pb_vcpu *vcpu, const pb_user_delivery *d, uint8_t *bytes)
{
    arm64_cpu *cpu = cpu_of(vcpu);
    signal_frame *frame = (signal_frame *)(void *)bytes;
    fpsimd_context *fp = (fpsimd_context *)(void *)frame->extra;
    esr_context *esr = (esr_context *)(void *)(frame->extra + sizeof(*fp));

    memcpy(frame->info, d->siginfo, sizeof(frame->info));
    frame->stack_base = d->stack_base;
    frame->stack_flags = d->stack_flags;
    frame->stack_bytes = d->stack_bytes;
    frame->mask = d->mask;
    frame->fault_address = d->is_fault ? d->address : 0;
    memcpy(frame->x, cpu->x, sizeof(frame->x));
    frame->sp = cpu->sp;
    frame->pc = cpu->pc;
    frame->pstate = arm64_nzcv(cpu);
    fp->head = (context_head){ FPSIMD_MAGIC, sizeof(*fp) };
    fp->fpsr = arm64_fpsr(vcpu);
    fp->fpcr = cpu->fpcr;
    memcpy(fp->v, cpu->v, sizeof(fp->v));
    if (d->is_fault && d->syndrome) {
        esr->head = (context_head){ ESR_MAGIC, sizeof(*esr) };
        esr->esr = d->syndrome;
    }
    frame->fp = cpu->x[29];
    frame->lr = cpu->x[30];

    cpu->x[0] = (uint64_t)d->signal;
    cpu->x[1] = d->frame + offsetof(signal_frame, info);
    cpu->x[2] = d->frame + offsetof(signal_frame, flags);
    cpu->x[29] = d->frame + offsetof(signal_frame, fp);
    cpu->x[30] = d->restorer;
    cpu->sp = d->frame;
    cpu->pc = d->handler;
    vcpu->exclusive_bytes = 0;
}

/* The context with the vector registers, or null. */
static const fpsimd_context *find_fpsimd(const signal_frame *frame)
{
    uint32_t at = 0;

    while (at + sizeof(context_head) <= sizeof(frame->extra)) {
        context_head head;

        memcpy(&head, frame->extra + at, sizeof(head));
        if (head.magic == FPSIMD_MAGIC && head.size == sizeof(fpsimd_context) &&
            at + sizeof(fpsimd_context) <= sizeof(frame->extra))
            return (const fpsimd_context *)(const void *)(frame->extra + at);
        if (head.magic == 0 || head.size < sizeof(head) || head.size % 16 ||
            head.size > sizeof(frame->extra) - at)
            return NULL;
        at += head.size;
    }
    return NULL;
}

static bool user_sigreturn(pb_vcpu *vcpu, const uint8_t *bytes, pb_user_delivery *d)
{
    arm64_cpu *cpu = cpu_of(vcpu);
    const signal_frame *frame = (const signal_frame *)(const void *)bytes;
    const fpsimd_context *fp = find_fpsimd(frame);

    /* Another exception level or state, or masked interrupts: nothing that was saved here. */
    if (!fp || (frame->pstate & (PSTATE_DAIF | 0x1f)))
        return false;
    memcpy(cpu->x, frame->x, sizeof(cpu->x));
    cpu->sp = frame->sp;
    cpu->pc = frame->pc;
    arm64_set_nzcv(cpu, (uint32_t)frame->pstate);
    memcpy(cpu->v, fp->v, sizeof(cpu->v));
    arm64_set_fpcr(vcpu, fp->fpcr);
    arm64_set_fpsr(vcpu, fp->fpsr);
    vcpu->exclusive_bytes = 0;
    d->mask = frame->mask;
    d->stack_base = frame->stack_base;
    d->stack_flags = frame->stack_flags;
    d->stack_bytes = frame->stack_bytes;
    return true;
}

/* ---- core files: asm/ptrace.h, linux/elf.h ---------------------------------------------------- */

enum { NT_PRSTATUS = 1, NT_PRFPREG = 2, NT_ARM_TLS = 0x401 };

/* struct user_pt_regs */
static void read_registers(const pb_vcpu *vcpu, uint8_t *to)
{
    const arm64_cpu *cpu = cpu_of_const(vcpu);
    const uint64_t more[] = { cpu->sp, cpu->pc, arm64_nzcv(cpu) };

    memcpy(to, cpu->x, sizeof(uint64_t) * 31);
    memcpy(to + sizeof(uint64_t) * 31, more, sizeof(more));
}

/* struct user_fpsimd_state */
static void read_fp(const pb_vcpu *vcpu, uint8_t *to)
{
    const arm64_cpu *cpu = cpu_of_const(vcpu);
    const uint32_t more[] = { arm64_fpsr(vcpu), cpu->fpcr };

    memcpy(to, cpu->v, sizeof(pb_u128) * 32);
    memcpy(to + sizeof(pb_u128) * 32, more, sizeof(more));
}

static void read_tls(const pb_vcpu *vcpu, uint8_t *to)
{
    memcpy(to, &cpu_of_const(vcpu)->sys[TPIDR_EL0], sizeof(uint64_t));
}

static const pb_user_regset regsets[] = {
    { NT_PRSTATUS, "CORE", 34 * 8, read_registers },
    { NT_PRFPREG, "CORE", 32 * 16 + 16, read_fp },
    { NT_ARM_TLS, "LINUX", 8, read_tls },
};

/* ---- the table ------------------------------------------------------------------------------- */

/* struct stat of asm-generic */
static const pb_user_field stat_fields[PB_STAT_FIELDS] = {
    [PB_STAT_DEV] = { 0, 8 },      [PB_STAT_INO] = { 8, 8 },
    [PB_STAT_MODE] = { 16, 4 },    [PB_STAT_NLINK] = { 20, 4 },
    [PB_STAT_UID] = { 24, 4 },     [PB_STAT_GID] = { 28, 4 },
    [PB_STAT_RDEV] = { 32, 8 },    [PB_STAT_SIZE] = { 48, 8 },
    [PB_STAT_BLKSIZE] = { 56, 4 }, [PB_STAT_BLOCKS] = { 64, 8 },
    [PB_STAT_ATIME] = { 72, 8 },   [PB_STAT_ATIME_NSEC] = { 80, 8 },
    [PB_STAT_MTIME] = { 88, 8 },   [PB_STAT_MTIME_NSEC] = { 96, 8 },
    [PB_STAT_CTIME] = { 104, 8 },  [PB_STAT_CTIME_NSEC] = { 112, 8 },
};
static const pb_user_layout stat_layout = { 128, stat_fields };

/* Not packed, as it is on x86. */
static const pb_user_field epoll_fields[PB_EPOLL_FIELDS] = {
    [PB_EPOLL_EVENTS] = { 0, 4 },
    [PB_EPOLL_DATA] = { 8, 8 },
};
static const pb_user_layout epoll_layout = { 16, epoll_fields };

static const pb_user_field sigaction_fields[PB_SIGACTION_FIELDS] = {
    [PB_SIGACTION_HANDLER] = { 0, 8 },
    [PB_SIGACTION_FLAGS] = { 8, 8 },
    [PB_SIGACTION_RESTORER] = { 16, 8 },
    [PB_SIGACTION_MASK] = { 24, 8 },
};
static const pb_user_layout sigaction_layout = { 32, sigaction_fields };

static const pb_user_layout *const layouts[PB_USER_STRUCTS] = {
    [PB_USER_STAT] = &stat_layout,
    [PB_USER_EPOLL_EVENT] = &epoll_layout,
    [PB_USER_SIGACTION] = &sigaction_layout,
};

static const uint8_t restorer[] = {
    0x68, 0x11, 0x80, 0xd2, /* mov x8, #139 */
    0x01, 0x00, 0x00, 0xd4, /* svc #0 */
};

/* Linux, arch/arm64/kernel/vdso. */
static const uint8_t vdso_code[] = {
    0x28, 0x0e, 0x80, 0xd2, /* clock_gettime: mov x8, #113 */
    0x01, 0x00, 0x00, 0xd4, /* svc #0 */
    0xc0, 0x03, 0x5f, 0xd6, /* ret */
    0x1f, 0x20, 0x03, 0xd5, /* nop */
    0x48, 0x0e, 0x80, 0xd2, /* clock_getres: mov x8, #114 */
    0x01, 0x00, 0x00, 0xd4, /* svc #0 */
    0xc0, 0x03, 0x5f, 0xd6, /* ret */
    0x1f, 0x20, 0x03, 0xd5, /* nop */
    0x28, 0x15, 0x80, 0xd2, /* gettimeofday: mov x8, #169 */
    0x01, 0x00, 0x00, 0xd4, /* svc #0 */
    0xc0, 0x03, 0x5f, 0xd6, /* ret */
    0x1f, 0x20, 0x03, 0xd5, /* nop: unwinders look before the address that a handler returns to */
    0x68, 0x11, 0x80, 0xd2, /* rt_sigreturn: mov x8, #139 */
    0x01, 0x00, 0x00, 0xd4, /* svc #0 */
};

static const pb_user_vdso_function vdso_functions[] = {
    { "__kernel_clock_gettime", 0, 12 },
    { "__kernel_clock_getres", 16, 12 },
    { "__kernel_gettimeofday", 32, 12 },
    { "__kernel_rt_sigreturn", 48, 8 },
};

static const pb_user_vdso vdso = {
    .size = sizeof(pb_user_vdso),
    .code = vdso_code,
    .bytes = sizeof(vdso_code),
    .functions = vdso_functions,
    .n_functions = PB_ARRAY_SIZE(vdso_functions),
    .sigreturn = 48,
    .version = "LINUX_2.6.39",
    .stack_register = 31,
    .return_register = 30,
};

const pb_user_arch arm64_user = {
    .size = sizeof(pb_user_arch),
    .name = "aarch64",
    .elf_machine = 183, /* EM_AARCH64 */
    .word_bytes = 8,
    .syscalls = arm64_syscalls,
    .n_syscalls = ARM64_SYSCALLS,
    .layouts = layouts,
    .open_flags = { .directory = 040000,
                    .nofollow = 0100000,
                    .direct = 0200000,
                    .largefile = 0400000 },
    .frame_bytes = sizeof(signal_frame),
    .restorer = restorer,
    .restorer_bytes = sizeof(restorer),
    .start = user_start,
    .auxv = user_auxv,
    .syscall = user_syscall,
    .set_result = user_set_result,
    .restart = user_restart,
    .get_sp = user_get_sp,
    .set_sp = user_set_sp,
    .get_pc = user_get_pc,
    .copy = user_copy,
    .set_tls = user_set_tls,
    .deliver = user_deliver,
    .frame_address = user_get_sp,
    .sigreturn = user_sigreturn,
    .regsets = regsets,
    .n_regsets = PB_ARRAY_SIZE(regsets),
    .vdso = &vdso,
};
