/*
 * accel-jit: executes guest code as host code. Translation is the core's ("pb.translate/1"), emitting a
 * codegen plugin's, memory and lookup of units the translation cache's ("pb.tc/1").
 */
#include "jit.h"

#include <patchbay/user.h>

#include <stdlib.h>

static bool init(void *self, pb_error *error)
{
    jit *j = self;
    const pb_codegen_ops *codegens = pb_extension(j->self, PB_EXTENSION_CODEGEN);

    j->translate = pb_extension(j->self, PB_EXTENSION_TRANSLATE);
    j->tc_ops = pb_extension(j->self, PB_EXTENSION_TC);
    if (!codegens || !j->translate || !j->tc_ops)
        return pb_fail(error, "the host has no %s",
                       !codegens       ? PB_EXTENSION_CODEGEN
                       : !j->translate ? PB_EXTENSION_TRANSLATE
                                       : PB_EXTENSION_TC);
    if (!only_init(j, error))
        return false;
    j->codegen_self =
        codegens->open(j->self, j->codegen_name, j->codegen_options, &j->codegen, error);
    return j->codegen_self != NULL;
}

/* The memory of a program, if there is one. */
static void find_window(const jit *j, pb_codegen_setup *setup)
{
    const pb_user_ops *user = pb_extension(j->self, PB_EXTENSION_USER);

    if (j->direct && !setup->counted && j->n_ranges == 0 && PB_CODEGEN_HAS(j->codegen, fault) &&
        j->codegen->fault && user && PB_HAS(user, window) && !user->window(&setup->window))
        setup->window = (pb_code_window){ 0 };
}

/* With the first vCPU: the generator wants to see one. */
static bool start(jit *j, pb_vcpu *vcpu, pb_error *error)
{
    const pb_codegen_ops *codegens = pb_extension(j->self, PB_EXTENSION_CODEGEN);
    pb_codegen_setup setup = { .size = sizeof(setup),
                               .counted = codegens->counted(j->self),
                               .vcpu = vcpu,
                               .fp = pb_extension(j->self, PB_FP_EXTENSION),
                               .far_bits = FAR_JUMP_BITS };

    j->counted = setup.counted;
    j->is_user = pb_extension(j->self, PB_EXTENSION_USER) != NULL;
    setup.parallel = !setup.counted && (vcpu->ops->vcpu_count(vcpu) > 1 || j->is_user);
    if (!start_sampler(j, error))
        return false;
    j->tc =
        j->tc_ops->open(j->self, j->cache_bytes, j->codegen, j->codegen_self, &setup.thunks, error);
    j->info.size = sizeof(j->info);
    find_window(j, &setup);
    if (!j->tc || !j->codegen->start(j->codegen_self, &setup, &j->info, error))
        return false;
    /* In counted mode a store to the unit that executes is seen at the next instruction: pages are watched. */
    if (PB_HAS(&j->info, compares) && j->info.compares && PB_HAS(j->tc_ops, mix_pages))
        j->tc_ops->mix_pages(j->tc, j->counted ? 0 : j->mixed_after, j->compare);
    if (PB_HAS(j->tc_ops, evict_every))
        j->tc_ops->evict_every(j->tc, j->evict_every);
    return start_compilers(j, error);
}

static void finish_cache(jit *j)
{
    stop_sampler(j);
    stop_compilers(j);
    j->tc_ops->close(j->tc);
    j->tc = NULL;
}

static uint32_t log2_of(uint32_t power)
{
    return (uint32_t)__builtin_ctz(power ? power : 1);
}

/* Memory of the cache waits for this vCPU to pass its dispatcher. */
static void nudge(void *vcpu)
{
    ((pb_vcpu *)vcpu)->ops->kick(vcpu, PB_EXIT_WORK);
}

static bool vcpu_init(void *self, pb_vcpu *vcpu, pb_error *error)
{
    jit *j = self;
    const pb_cpu_type *type = vcpu->type;
    jit_vcpu *x;

    if (!type->translator)
        return pb_fail(error, "cpu type '%s' has no translator", type->head.name);
    if (j->vcpus == 0 && !start(j, vcpu, error)) {
        finish_cache(j);
        return false;
    }
    x = calloc(1, sizeof(*x));
    if (x)
        x->tables[0] = calloc(1, sizeof(jump_table));
    if (!x || !x->tables[0]) {
        free(x);
        if (j->vcpus == 0)
            finish_cache(j);
        return pb_fail(error, "out of memory");
    }
    if (!only_vcpu_init(j, vcpu, &x->other, error)) {
        free(x->tables[0]);
        free(x);
        if (j->vcpus == 0)
            finish_cache(j);
        return false;
    }
    x->jit = j;
    x->vcpu = vcpu;
    x->user = j->tc_ops->user_new(j->tc, nudge, vcpu);
    if (PB_HAS(j->tc_ops, request_word))
        j->tc_ops->request_word(x->user, &vcpu->exit_request, PB_EXIT_ACCEL);
    x->pc_slot = (char *)vcpu->state + type->slots[type->pc_slot].offset;
    x->pc_is_32 = type->slots[type->pc_slot].type == IR_I32;
    x->align_log2 = log2_of(type->insn_align);
    x->table = x->tables[0];
    forget_jumps(x);
    vcpu->jumps = x->table->entries;
    vcpu->accel = x;
    vcpu->uncounted = !j->counted;
    add_to_sampled(x);
    if (j->codegen->vcpu_init)
        j->codegen->vcpu_init(j->codegen_self, vcpu);
    begin_traps(x);
    j->vcpus++;
    return true;
}

static void vcpu_finish(void *self, pb_vcpu *vcpu)
{
    jit *j = self;
    jit_vcpu *x = vcpu->accel;

    if (!x)
        return;
    remove_from_sampled(x);
    j->tc_ops->user_free(x->user);
    j->translate->unit_free(x->ir);
    free_jumps(x);
    only_vcpu_finish(j, vcpu, x->other);
    free(x);
    vcpu->accel = NULL;
    vcpu->jumps = NULL;
    if (--j->vcpus == 0)
        finish_cache(j);
}

static uint32_t run(void *self, pb_vcpu *vcpu)
{
    return execute(vcpu->accel);
}

/* In the middle of an instruction units are still needed: then it is done before the next one. */
static void flush(void *self, pb_vcpu *vcpu)
{
    jit *j = self;
    jit_vcpu *x = only_own(j, vcpu);

    only_flush(x);
    if (x->running)
        x->flush_wanted = true;
    else
        drop_everything(j);
}

/* The cache is that of all vCPUs: one of them is enough. */
static void drop_code(void *self, pb_vcpu *vcpu, uint64_t first, uint64_t last)
{
    jit *j = self;
    jit_vcpu *x = only_own(j, vcpu);

    only_drop_code(x, first, last);
    if (x != j->first)
        return;
    if (PB_HAS(j->tc_ops, drop_code))
        j->tc_ops->drop_code(j->tc, first, last);
    else
        drop_everything(j);
}

/* What vCPUs count. */
static void vcpu_statistics(jit *j, void (*line)(void *opaque, const char *name, uint64_t value),
                            void *opaque)
{
    uint64_t looked_up = 0, trapped = 0, counts[PB_CODE_COUNTS] = { 0 };
    bool has_counts = PB_CODEGEN_HAS(j->codegen, count) && j->codegen->count;

    pthread_mutex_lock(&j->lock);
    for (const jit_vcpu *x = j->first; x; x = x->next) {
        looked_up += __atomic_load_n(&x->looked_up, __ATOMIC_RELAXED);
        trapped += __atomic_load_n(&x->n_traps, __ATOMIC_RELAXED);
        for (uint32_t i = 0; i < PB_CODE_COUNTS && has_counts; i++)
            counts[i] += j->codegen->count(j->codegen_self, x->vcpu, i);
    }
    pthread_mutex_unlock(&j->lock);
    line(opaque, "indirect jumps looked up", looked_up);
    line(opaque, "invalid operations that trapped", trapped);
    if (!has_counts)
        return;
    line(opaque, "accesses by the second level of the TLB", counts[PB_CODE_COUNT_REFILLS]);
    line(opaque, "accesses by the slow path", counts[PB_CODE_COUNT_SLOW]);
}

static void statistics(void *self, void (*line)(void *opaque, const char *name, uint64_t value),
                       void *opaque)
{
    jit *j = self;

    line(opaque, "units translated", __atomic_load_n(&j->translated, __ATOMIC_RELAXED));
    line(opaque, "regions requested", __atomic_load_n(&j->requests, __ATOMIC_RELAXED));
    line(opaque, "regions published", __atomic_load_n(&j->published, __ATOMIC_RELAXED));
    line(opaque, "regions discarded", __atomic_load_n(&j->discarded, __ATOMIC_RELAXED));
    line(opaque, "regions without a loop", __atomic_load_n(&j->no_loops, __ATOMIC_RELAXED));
    line(opaque, "nanoseconds of making regions",
         __atomic_load_n(&j->compiling_ns, __ATOMIC_RELAXED));
    line(opaque, "guest instructions translated", __atomic_load_n(&j->insns, __ATOMIC_RELAXED));
    line(opaque, "nanoseconds of translation",
         __atomic_load_n(&j->translating_ns, __ATOMIC_RELAXED));
    if (!j->tc)
        return;
    vcpu_statistics(j, line, opaque);
    j->tc_ops->statistics(j->tc, line, opaque);
}

static bool counts(void *self)
{
    return ((const jit *)self)->counted;
}

static void show(void *self, pb_vcpu *vcpu, uint64_t pc,
                 void (*fn)(void *opaque, const pb_accel_unit *unit), void *opaque)
{
    show_units(vcpu->accel, pc, fn, opaque);
}

static bool fork_all(void *self, uint32_t phase, pb_error *error)
{
    return fork_jit(self, phase, error);
}

/* In a handler of signals: of what is looked at nothing changes while the vCPU is in emitted code. */
static const void *host_fault(void *self, pb_vcpu *vcpu, const pb_host_fault *fault)
{
    const jit *j = self;
    const jit_vcpu *x = vcpu->accel;
    const pb_tc_unit *u;

    if (!j->info.direct || !x || !x->running)
        return NULL;
    if (x->unlisted && fault->pc >= x->unlisted && fault->pc < x->unlisted + x->job.bytes)
        return j->codegen->fault(j->codegen_self, vcpu, x->unlisted, x->job.bytes, fault);
    u = j->tc_ops->unit_at(x->user, fault->pc);
    return u ? j->codegen->fault(j->codegen_self, vcpu, u->code, u->bytes, fault) : NULL;
}

static bool host_trap(void *self, pb_vcpu *vcpu, pb_host_trap *trap)
{
    const jit *j = self;

    return j->n_ranges == 0 && vcpu->accel && take_trap(vcpu->accel, trap);
}

static const char *const regions_choices[] = { "off", "sampled", "always", NULL };
static const char *const fp_traps_choices[] = { "off", "adaptive", "always", NULL };

static const pb_prop props[] = {
    { "cache-size", PB_PROP_SIZE, PB_MEMBER(jit, cache_bytes), .initial = "64MiB", .min = 1 << 20,
      .max = UINT64_C(1) << 31, .doc = "Memory for translated code; it is taken as it is used" },
    { "codegen", PB_PROP_STRING, PB_MEMBER(jit, codegen_name), .initial = "",
      .doc = "Code generator; the one for this host if it is not given" },
    { "codegen-options", PB_PROP_STRING, PB_MEMBER(jit, codegen_options), .initial = "",
      .doc = "Properties of the code generator: name=value:name=value" },
    { "only", PB_PROP_STRING, PB_MEMBER(jit, only), .initial = "",
      .doc = "Compile only what begins at these guest addresses, 0x1000-0x1fff+0x2008, and "
             "interpret the rest: to find code that is compiled wrongly" },
    { "compare", PB_PROP_BOOL, PB_MEMBER(jit, compare), .initial = "false",
      .doc = "Let all code compare the bytes that it was made from whenever it is entered (for "
             "tests)" },
    { "direct", PB_PROP_BOOL, PB_MEMBER(jit, direct), .initial = "true",
      .doc = "Access the memory of a program in user mode where it lies in the host; false: by way "
             "of the "
             "software TLB, as in machines" },
    { "evict-every", PB_PROP_UINT, PB_MEMBER(jit, evict_every), .initial = "0",
      .doc = "Evict some of the code whenever so many units were made (for tests); 0: never" },
    { "fp-traps", PB_PROP_ENUM, PB_MEMBER(jit, fp_traps), .initial = "adaptive",
      .choices = fp_traps_choices,
      .doc =
          "Let invalid operations of floating point trap in the host, rather than test for them: "
          "never, as long as they are rare, always (for tests)" },
    { "mixed-after", PB_PROP_UINT, PB_MEMBER(jit, mixed_after), .initial = "1024",
      .doc = "Stores beside the code of a page after which it is taken for one of code and data, "
             "whose code compares itself; 0: never" },
    { "regions", PB_PROP_ENUM, PB_MEMBER(jit, regions), .initial = "sampled",
      .choices = regions_choices,
      .doc = "Make units of whole loops: never, where samples find much time is spent, always (for "
             "tests)" },
    { "compile-threads", PB_PROP_UINT, PB_MEMBER(jit, compile_threads), .initial = "1", .max = 4,
      .doc =
          "Threads that make regions while processors go on; 0: processors make them themselves" },
    { 0 }
};

static const pb_state state[] = { PB_TRANSIENT(jit, translate, "a table of the host"),
                                  PB_TRANSIENT(jit, codegen, "a table of the code generator"),
                                  PB_TRANSIENT(jit, codegen_self, "an instance of its own"),
                                  PB_TRANSIENT(jit, info, "what the code generator said"),
                                  PB_TRANSIENT(jit, tc_ops, "a table of the host"),
                                  PB_TRANSIENT(jit, tc,
                                               "translations, made again when they are needed"),
                                  PB_TRANSIENT(jit, vcpus, "counts what the host has told"),
                                  PB_TRANSIENT(jit, counted, "of the machine"),
                                  PB_TRANSIENT(jit, is_user, "of the machine"),
                                  PB_TRANSIENT(jit, compares, "what units there are"),
                                  PB_TRANSIENT(jit, stays_left, "what threads there are"),
                                  PB_TRANSIENT(jit, process, "the host's"),
                                  PB_TRANSIENT(jit, translated, "a statistic"),
                                  PB_TRANSIENT(jit, compilers, "threads"),
                                  PB_TRANSIENT(jit, requests, "a statistic"),
                                  PB_TRANSIENT(jit, published, "a statistic"),
                                  PB_TRANSIENT(jit, discarded, "a statistic"),
                                  PB_TRANSIENT(jit, no_loops, "a statistic"),
                                  PB_TRANSIENT(jit, compiling_ns, "a statistic"),
                                  PB_TRANSIENT(jit, n_ranges, "made of a property"),
                                  PB_TRANSIENT(jit, ranges, "made of a property"),
                                  PB_TRANSIENT(jit, other, "a table of another accelerator"),
                                  PB_TRANSIENT(jit, other_self, "another accelerator"),
                                  PB_TRANSIENT(jit, has_sampler, "a thread"),
                                  PB_TRANSIENT(jit, asleep, "what a thread does"),
                                  PB_TRANSIENT(jit, sampler, "a thread"),
                                  PB_TRANSIENT(jit, lock, "of threads"),
                                  PB_TRANSIENT(jit, wake, "of threads"),
                                  PB_TRANSIENT(jit, ending, "what a thread is told"),
                                  PB_TRANSIENT(jit, first, "vCPUs that the host has told of"),
                                  PB_TRANSIENT(jit, met, "where time was spent"),
                                  PB_TRANSIENT(jit, insns, "a statistic"),
                                  PB_TRANSIENT(jit, translating_ns, "a statistic"),
                                  PB_TRANSIENT(jit, tests, "what traps there were"),
                                  PB_TRANSIENT(jit, entered, "what regions refused"),
                                  { 0 } };

static const pb_accel_type jit_type = {
    .head = { .size = sizeof(pb_accel_type),
              .kind = PB_KIND_ACCEL,
              .name = "jit",
              .doc = "Translates guest code to host code",
              .instance_size = sizeof(jit),
              PB_SELF(jit, self),
              .props = props,
              .state = state,
              .init = init },
    .vcpu_init = vcpu_init,
    .vcpu_finish = vcpu_finish,
    .run = run,
    .flush = flush,
    .statistics = statistics,
    .counts = counts,
    .show = show,
    .fork = fork_all,
    .host_fault = host_fault,
    .drop_code = drop_code,
    .host_trap = host_trap,
};

static const pb_class *const types[] = { &jit_type.head, NULL };

PB_EXPORT const pb_plugin pb_plugin_entry = {
    .size = sizeof(pb_plugin),
    .abi_major = PB_ABI_MAJOR,
    .abi_minor = PB_ABI_MINOR,
    .id = "accel-jit",
    .version = "0.1",
    .licence = "MIT",
    .doc = "Just-in-time compiler",
    .types = types,
};
