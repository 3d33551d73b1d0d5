/*
 * A small accelerator around a code generator: see jit.h.
 */
#include "jit.h"

#include <core/trace/trace.h>

#include <capstone.h>
#include <core/ir/unit.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>

enum { BUFFER = 1 << 20 };

typedef struct jit {
    pb_object *object;
    void *codegen;
    pb_code_slice memory; /* thunks, then one unit */
    pb_codegen_info info;
    ir_unit *ir;
    const uint8_t *prepared;
    uint32_t references; /* of it */
    pb_jump_entry jumps[PB_JUMP_ENTRIES + (1 << JIT_FAR_BITS)];
} jit;

static const pb_codegen_type *type;
jit_options jit_how = { .pinned = 8 };
uint64_t jit_emitted, jit_refused, jit_regions, jit_bytes, jit_trapped;

void jit_open(const char *file)
{
    void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    const pb_plugin *plugin = handle ? dlsym(handle, PB_PLUGIN_SYMBOL) : NULL;

    if (!plugin) {
        printf("%s\n", dlerror());
        exit(2);
    }
    type = (const pb_codegen_type *)(const void *)plugin->types[0];
}

void jit_set(const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);

    g_free(jit_how.without);
    jit_how = (jit_options){ .pinned = 8 };
    for (char **w = words; *w; w++) {
        if (!strcmp(*w, "baseline"))
            jit_how.baseline = true;
        else if (!strcmp(*w, "counted"))
            jit_how.counted = true;
        else if (!strcmp(*w, "tlb"))
            jit_how.use_tlb = true;
        else if (!strcmp(*w, "tlb2"))
            jit_how.use_tlb = jit_how.use_second = true;
        else if (!strcmp(*w, "alone"))
            jit_how.alone = true;
        else if (!strcmp(*w, "entered"))
            jit_how.entered = true;
        else if (!strcmp(*w, "region"))
            jit_how.region = true;
        else if (g_str_has_prefix(*w, "pinned="))
            jit_how.pinned = (uint32_t)atoi(*w + 7);
        else if (g_str_has_prefix(*w, "without="))
            jit_how.without = g_strdup(*w + 8);
        else if (!strcmp(*w, "traps"))
            jit_how.traps = true;
        else if (!strcmp(*w, "passes"))
            jit_how.passes = true;
        else if (**w) {
            printf("what is '%s'?\n", *w);
            exit(2);
        }
    }
}

/* ---- traps --------------------------------------------------------------------------------------------------- */

static const jit *running;
static pb_vcpu *running_vcpu;

/* What is not the generator's comes again, and ends the program. */
static void on_trap(int signal, siginfo_t *info, void *context)
{
    const uint8_t *pc =
        (const uint8_t *)(uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    pb_host_trap trap = {
        .size = sizeof(trap), .signal = (uint32_t)signal, .pc = pc, .context = context
    };

    if (running) {
        trap.in_unit =
            pc >= running->memory.rx + PB_CODEGEN_THUNK_BYTES && pc < running->memory.rx + BUFFER;
        if (type->trap(running->codegen, running_vcpu, &trap)) {
            jit_trapped += signal == SIGFPE;
            return;
        }
    }
    (void)info;
    sigaction(signal, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
}

static void catch_traps(void)
{
    struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };

    sigaction(SIGFPE, &action, NULL);
    sigaction(SIGTRAP, &action, NULL);
}

static void enter(const jit *j, pb_vcpu *vcpu, const uint8_t *entry, pb_code_exit *left)
{
    running = j;
    running_vcpu = vcpu;
    type->run(j->codegen, vcpu, entry, left);
    running = NULL;
}

/* ---- an instance ----------------------------------------------------------------------------------------------- */

static void set_property(void *self, const char *name, uint64_t value)
{
    for (const pb_prop *p = type->head.props; p->name; p++)
        if (!strcmp(p->name, name))
            memcpy((char *)self + p->offset, &value, p->width);
}

static bool init(void *self, pb_error *error)
{
    jit *j = self;
    int fd = memfd_create("code", 0);
    void *rw, *rx;

    if (fd < 0 || ftruncate(fd, BUFFER) < 0)
        return pb_fail(error, "no memory");
    rw = mmap(NULL, BUFFER, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    rx = mmap(NULL, BUFFER, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    close(fd);
    if (rw == MAP_FAILED || rx == MAP_FAILED)
        return pb_fail(error, "no memory");
    j->memory = (pb_code_slice){ rw, rx, BUFFER };
    j->codegen = g_malloc0(type->head.instance_size);
    *(pb_object **)(void *)((char *)j->codegen + type->head.self_offset - 1) = j->object;
    set_property(j->codegen, "baseline", jit_how.baseline);
    set_property(j->codegen, "pinned", jit_how.pinned);
    set_property(j->codegen, "without", (uintptr_t)jit_how.without);
    return type->head.init(j->codegen, error);
}

static bool vcpu_init(void *self, pb_vcpu *vcpu, pb_error *error)
{
    jit *j = self;
    pb_codegen_setup setup = { .size = sizeof(setup),
                               .counted = jit_how.counted,
                               .parallel = true,
                               .vcpu = vcpu,
                               .fp = pb_extension(j->object, PB_FP_EXTENSION),
                               .thunks = j->memory,
                               .far_bits = JIT_FAR_BITS };

    setup.thunks.bytes = PB_CODEGEN_THUNK_BYTES;
    if (!type->start(j->codegen, &setup, &j->info, error))
        return false;
    type->vcpu_init(j->codegen, vcpu);
    type->traps(j->codegen, vcpu, jit_how.traps);
    if (jit_how.traps)
        catch_traps();
    for (uint32_t i = 0; i < PB_JUMP_ENTRIES; i++)
        j->jumps[i] = (pb_jump_entry){ UINT64_MAX, j->info.jump_miss };
    vcpu->jumps = j->jumps;
    vcpu->accel = j;
    return true;
}

static void vcpu_finish(void *self, pb_vcpu *vcpu)
{
    jit *j = self;

    pb_ir_unit_free(j->ir);
    type->head.finish(j->codegen);
    g_free(j->codegen);
    munmap(j->memory.rw, BUFFER);
    munmap((void *)(uintptr_t)j->memory.rx, BUFFER);
}

static void begin_job(const jit *j, pb_vcpu *vcpu, const ir_unit *unit, pb_code_job *job,
                      bool alone)
{
    *job = (pb_code_job){ .size = sizeof(*job), .unit = unit, .vcpu = vcpu, .slice = j->memory };
    job->flags = (alone || jit_how.alone ? PB_CODE_ALONE : 0) |
                 (jit_how.region ? PB_CODE_REGION : 0) | (jit_how.traps ? PB_CODE_TRAPS : 0) |
                 (jit_how.entered ? PB_CODE_ENTERED : 0);
    job->slice.rw += PB_CODEGEN_THUNK_BYTES;
    job->slice.rx += PB_CODEGEN_THUNK_BYTES;
    job->slice.bytes = jit_how.room ? jit_how.room : BUFFER - PB_CODEGEN_THUNK_BYTES;
}

static uint32_t emit(jit *j, pb_vcpu *vcpu, const ir_unit *unit, pb_code_job *job, bool alone)
{
    uint32_t status;

    begin_job(j, vcpu, unit, job, alone);
    status = type->emit(j->codegen, job);
    jit_emitted++;
    jit_refused += status != PB_EMIT_OK;
    jit_bytes += job->bytes;
    return status;
}

static uint64_t *pc_of(pb_vcpu *vcpu)
{
    return (uint64_t *)(void *)((char *)vcpu->state +
                                vcpu->type->slots[vcpu->type->pc_slot].offset);
}

/* Where the exit's link goes. */
static uint64_t link_pc(const pb_code_job *job, const pb_code_exit *left)
{
    for (uint32_t i = 0; i < job->n_links; i++)
        if (job->slice.rx + job->links[i].site == left->site)
            return job->links[i].pc;
    printf("an exit at a site that is no link\n");
    abort();
}

static bool always(void *opaque, uint64_t pc)
{
    return true;
}

/* A region if one is wanted and there is one, else a unit. */
static ir_unit *translate_at(jit *j, pb_vcpu *vcpu, uint64_t pc, const pb_translate_limits *limits,
                             pb_guest_fault *fault)
{
    const pb_translate_ops *translate = pb_extension(j->object, PB_EXTENSION_TRANSLATE);
    pb_region_request request = { .size = sizeof(request),
                                  .max_insns = 200,
                                  .max_pieces = PB_REGION_PIECES,
                                  .piece_insns = limits->max_insns,
                                  .wanted = always };
    uint64_t key = vcpu->type->translator->unit_key(vcpu);
    ir_unit *ir = NULL;

    if (!j->ir)
        j->ir = pb_ir_unit_new(vcpu->type);
    if (jit_how.region && limits->max_insns == 48 && PB_HAS(translate, region) && translate->region)
        ir = translate->region(vcpu, pc, key, &request, j->ir);
    jit_regions += ir != NULL;
    return ir ? ir : translate->translate(vcpu, pc, key, limits, j->ir, fault);
}

static uint32_t run(void *self, pb_vcpu *vcpu)
{
    jit *j = self;
    pb_translate_limits limits = { .max_insns = 48, .follow = true };
    bool alone = false;
    uint32_t rounds = 0;

    toy_fill_tlb(toy_of(vcpu), jit_how.use_tlb);
    if (jit_how.use_second)
        toy_fill_second(toy_of(vcpu));
    for (;;) {
        uint64_t *pc = pc_of(vcpu);
        pb_guest_fault fault = { 0 };
        pb_code_page page;
        pb_code_exit left;
        pb_code_job job;

        if (__atomic_load_n(&vcpu->exit_request, __ATOMIC_ACQUIRE))
            return PB_RUN_REQUEST;
        if (++rounds > 100000) {
            fprintf(stderr, "no end at 0x%" PRIx64 "\n", *pc);
            abort();
        }
        if (jit_how.counted && vcpu->budget <= 0)
            return PB_RUN_BUDGET;
        if (vcpu->ops->code(vcpu, *pc, 0, &page, &fault) != PB_MEM_OK) {
            vcpu->budget--; /* it counts as an instruction */
            vcpu->retired++;
            vcpu->type->raise(vcpu, &fault);
            vcpu->unwind = 0;
            continue;
        }
        j->ir = translate_at(j, vcpu, *pc, &limits, &fault);
        if (!j->ir || emit(j, vcpu, j->ir, &job, alone) != PB_EMIT_OK) {
            printf("no code for 0x%" PRIx64 "\n", *pc);
            return 0;
        }
        limits.max_insns = 48;
        alone = false;
        enter(j, vcpu, job.slice.rx + job.entry, &left);
        switch (left.kind) {
        case PB_CODE_EXIT_LINK:
            *pc = link_pc(&job, &left);
            break;
        case PB_CODE_EXIT_LOOKUP:
        case PB_CODE_EXIT_NEW_KEY:
            break;
        case PB_CODE_EXIT_REASON:
            return left.reason;
        case PB_CODE_EXIT_UNWOUND:
            vcpu->unwind = 0;
            if (vcpu->leave_reason) {
                uint32_t reason = vcpu->leave_reason;

                vcpu->leave_reason = 0;
                return reason;
            }
            break;
        case PB_CODE_EXIT_ALONE:
            alone = true;
            limits.max_insns = 1;
            break;
        case PB_CODE_EXIT_ENTRY:
            if (jit_how.counted && vcpu->budget < 48)
                limits.max_insns = (uint32_t)MAX(vcpu->budget, 1);
            break;
        default:
            printf("exit of kind %u\n", left.kind);
            abort();
        }
    }
}

static void flush(void *self, pb_vcpu *vcpu) {}

static void statistics(void *self, void (*line)(void *opaque, const char *name, uint64_t value),
                       void *opaque)
{
}

const pb_accel_type jit_type = {
    .head = { .size = sizeof(pb_accel_type),
              .kind = PB_KIND_ACCEL,
              .name = "test",
              .instance_size = sizeof(jit),
              PB_SELF(jit, object),
              .init = init },
    .vcpu_init = vcpu_init,
    .vcpu_finish = vcpu_finish,
    .run = run,
    .flush = flush,
    .statistics = statistics,
};

void jit_show(accel *a, const ir_unit *unit)
{
    pb_code_job job;
    uint32_t status = emit(a->self, a->m->vcpu, unit, &job, false);
    cs_insn *insns;
    size_t n;
    csh handle;

    printf("status %u, %u bytes, entry 0x%x, stale 0x%x\n", status, job.bytes, job.entry,
           job.stale);
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK)
        return;
    n = cs_disasm(handle, job.slice.rw, job.bytes, 0, 0, &insns);
    for (size_t i = 0; i < n; i++)
        printf("%6" PRIx64 "  %s %s\n", insns[i].address, insns[i].mnemonic, insns[i].op_str);
    cs_free(insns, n);
    cs_close(&handle);
}

double jit_time(accel *a, const ir_unit *unit, uint32_t n, uint32_t *bytes)
{
    struct timespec begin, end;
    pb_code_job job;

    emit(a->self, a->m->vcpu, unit, &job, false);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    for (uint32_t i = 0; i < n; i++)
        emit(a->self, a->m->vcpu, unit, &job, false);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    *bytes = job.bytes;
    return ((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) / n;
}

bool jit_prepare(accel *a, const ir_unit *unit)
{
    jit *j = a->self;
    pb_code_job job;

    if (emit(j, a->m->vcpu, unit, &job, false) != PB_EMIT_OK)
        return false;
    j->prepared = job.slice.rx + job.entry;
    j->references = job.references;
    return true;
}

bool jit_passes(accel *a, const ir_unit *unit, GString *text)
{
    jit *j = a->self;
    pb_code_job job;

    begin_job(j, a->m->vcpu, unit, &job, false);
    return pb_trace_emit_passes(type, j->codegen, &job, text) == PB_EMIT_OK;
}

uint64_t jit_count(accel *a, uint32_t what)
{
    const jit *j = a->self;

    return type->count(j->codegen, a->m->vcpu, what);
}

uint32_t jit_references(const accel *a)
{
    return ((const jit *)a->self)->references;
}

uint32_t jit_again(accel *a)
{
    jit *j = a->self;
    pb_code_exit left;

    enter(j, a->m->vcpu, j->prepared, &left);
    return left.kind;
}

/* ---- patching ------------------------------------------------------------------------------------------------ */

enum { PLACE_A = PB_CODEGEN_THUNK_BYTES, PLACE_B = PLACE_A + 65536, PLACE_END = PLACE_B + 65536 };

static uint32_t emit_at(accel *a, uint64_t pc, uint32_t place, uint32_t room, pb_code_job *job)
{
    jit *j = a->self;
    pb_vcpu *vcpu = a->m->vcpu;
    pb_translate_limits limits = { .max_insns = 48 };
    pb_guest_fault fault;

    j->ir = ((const pb_translate_ops *)pb_extension(j->object, PB_EXTENSION_TRANSLATE))
                ->translate(vcpu, pc, 0, &limits, j->ir, &fault);
    *job = (pb_code_job){ .size = sizeof(*job), .unit = j->ir, .vcpu = vcpu };
    job->slice = (pb_code_slice){ j->memory.rw + place, j->memory.rx + place, room };
    return type->emit(j->codegen, job);
}

void jit_link_two(accel *a, uint64_t pc_a, uint64_t pc_b, jit_linked *l)
{
    if (emit_at(a, pc_a, PLACE_A, 65536, &l->a) != PB_EMIT_OK ||
        emit_at(a, pc_b, PLACE_B, 65536, &l->b) != PB_EMIT_OK)
        abort();
    l->a.unit = l->b.unit = NULL;
    l->entry_a = l->a.slice.rx + l->a.entry;
    l->entry_b = l->b.slice.rx + l->b.entry;
}

uint32_t jit_enter(accel *a, const jit_linked *l)
{
    pb_code_exit left;

    enter(a->self, a->m->vcpu, l->entry_a, &left);
    return left.kind;
}

static void link_all(accel *a, const pb_code_job *from, uint64_t pc, const uint8_t *entry)
{
    for (uint32_t i = 0; i < from->n_links; i++) {
        const pb_code_link *link = &from->links[i];

        if (link->pc == pc)
            type->link(((jit *)a->self)->codegen, from->slice.rw + link->site,
                       from->slice.rx + link->site, entry ? entry : from->slice.rx + link->stub);
    }
}

void jit_join(accel *a, const jit_linked *l)
{
    link_all(a, &l->a, 0x1014, l->b.slice.rx + l->b.direct);
    link_all(a, &l->b, 0x1000, l->entry_a);
}

void jit_part(accel *a, const jit_linked *l)
{
    link_all(a, &l->a, 0x1014, NULL);
    link_all(a, &l->b, 0x1000, NULL);
}

void jit_retire(accel *a, const jit_linked *l)
{
    link_all(a, &l->a, 0x1014, l->entry_b); /* by the checked entry */
    type->retire(((jit *)a->self)->codegen, l->b.slice.rw + l->b.entry, l->entry_b,
                 l->b.slice.rx + l->b.stale);
}

uint32_t jit_emit_in(accel *a, uint64_t pc, uint32_t room)
{
    jit *j = a->self;
    uint8_t *behind = j->memory.rw + PLACE_A + room;
    pb_code_job job;
    uint32_t status;

    memset(behind, 0x55, 256);
    status = emit_at(a, pc, PLACE_A, room, &job);
    for (uint32_t i = 0; i < 256; i++)
        if (behind[i] != 0x55)
            abort();
    if (status == PB_EMIT_OK && job.bytes > room)
        abort();
    return status;
}
