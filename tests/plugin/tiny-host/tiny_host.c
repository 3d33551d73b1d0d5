/*
 * A fake host for one processor plugin: flat memory, the core's translation driver, the reference interpreter
 * opened from its file. Runs scripts of test cases.
 *
 * usage: tiny_host CPU.so ACCEL.so SCRIPT
 *
 * A script's lines; numbers are hexadecimal with 0x, '#' begins a comment:
 *
 *   case TEXT             a new case: memory is zero, the processor is reset
 *   put ADDRESS BYTES     write memory; BYTES are pairs of hexadecimal digits
 *   set REGISTER VALUE    by the names of the processor's slots; 128-bit values are HIGH_LOW
 *   run BUDGET REASON     execute; why it must come back: request budget idle yield power-off debug
 *   reg REGISTER VALUE [MASK]   what a register must be, in the bits of the mask
 *   mem ADDRESS BYTES     what memory must be
 *   retired NUMBER        instructions since the case began
 *
 * Memory is RAM of 1 MiB at 0 and of 64 KiB at 0x20000000.
 */
#include <core/ir/translate.h>
#include <glib.h>

#include <dlfcn.h>
#include <stdlib.h>

enum { LOW_BYTES = 1 << 20, HIGH_BASE = 0x20000000, HIGH_BYTES = 64 << 10 };

typedef struct machine {
    pb_object object;
    const pb_cpu_type *cpu;
    const pb_accel_type *accel_type;
    void *accel;
    pb_vcpu *vcpu;
    uint8_t low[LOW_BYTES], high[HIGH_BYTES];
    uint32_t generation; /* of all code: grows with every write */
} machine;

static machine *the_machine;

/* ---- memory ------------------------------------------------------------------------------------------------ */

static uint8_t *host_address(machine *m, uint64_t gpa, uint64_t bytes)
{
    if (gpa < LOW_BYTES && LOW_BYTES - gpa >= bytes)
        return m->low + gpa;
    if (gpa >= HIGH_BASE && gpa - HIGH_BASE < HIGH_BYTES && HIGH_BYTES - (gpa - HIGH_BASE) >= bytes)
        return m->high + (gpa - HIGH_BASE);
    return NULL;
}

static pb_mem_result translate(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                               pb_guest_fault *fault)
{
    *fault = (pb_guest_fault){ .kind = PB_FAULT_WALK, .type = request->type, .gva = request->gva };
    return vcpu->type->walk(vcpu, request, out, fault) ? PB_MEM_OK : PB_MEM_FAULT;
}

/* Check an access; it does not cross pages of different places here. */
static pb_mem_result reach(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, uint32_t type,
                           uint8_t **host, pb_guest_fault *fault)
{
    pb_walk_request request = {
        .gva = gva, .type = type, .mmu = PB_MEM_GET_MMU(attr), .kind = PB_MEM_GET_KIND(attr)
    };
    pb_translation t;

    if (gva & ((1u << PB_MEM_GET_ALIGN_LOG2(attr)) - 1)) {
        *fault = (pb_guest_fault){ .kind = PB_FAULT_ALIGNMENT, .type = type, .gva = gva };
        return PB_MEM_FAULT;
    }
    if (translate(vcpu, &request, &t, fault) != PB_MEM_OK)
        return PB_MEM_FAULT;
    *host = host_address(the_machine, t.gpa, PB_MEM_GET_BYTES(attr));
    if (!*host) {
        *fault = (pb_guest_fault){ .kind = PB_FAULT_BUS, .type = type, .gva = gva, .gpa = t.gpa };
        return PB_MEM_FAULT;
    }
    the_machine->generation += type == PB_ACCESS_WRITE;
    return PB_MEM_OK;
}

static void reorder(uint8_t *to, const uint8_t *from, uint32_t attr)
{
    uint32_t n = PB_MEM_GET_BYTES(attr);

    for (uint32_t i = 0; i < n; i++)
        to[i] = from[attr & PB_MEM_BIG_ENDIAN ? n - 1 - i : i];
}

static pb_mem_result load(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, pb_u128 *value,
                          pb_guest_fault *fault)
{
    uint32_t bits = 8 * PB_MEM_GET_BYTES(attr);
    uint8_t *host, bytes[16] = { 0 };
    pb_mem_result r = reach(vcpu, gva, attr, PB_ACCESS_READ, &host, fault);

    if (r != PB_MEM_OK)
        return r;
    reorder(bytes, host, attr);
    memcpy(value, bytes, 16);
    if (attr & PB_MEM_SIGNED && bits < 64)
        value->lo = (uint64_t)((int64_t)(value->lo << (64 - bits)) >> (64 - bits));
    return PB_MEM_OK;
}

static pb_mem_result store(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, pb_u128 value,
                           pb_guest_fault *fault)
{
    uint8_t *host, bytes[16];
    pb_mem_result r = reach(vcpu, gva, attr, PB_ACCESS_WRITE, &host, fault);

    if (r != PB_MEM_OK)
        return r;
    memcpy(bytes, &value, 16);
    reorder(host, bytes, attr);
    return PB_MEM_OK;
}

static pb_mem_result ldx(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, pb_u128 *value,
                         pb_guest_fault *fault)
{
    pb_mem_result r = load(vcpu, gva, attr, value, fault);

    if (r == PB_MEM_OK) {
        vcpu->exclusive_bytes = PB_MEM_GET_BYTES(attr);
        vcpu->exclusive_gva = gva;
        vcpu->exclusive_value = *value;
    }
    return r;
}

static pb_mem_result stx(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, pb_u128 value,
                         pb_guest_fault *fault)
{
    bool held = vcpu->exclusive_bytes == PB_MEM_GET_BYTES(attr) && vcpu->exclusive_gva == gva;
    pb_u128 now;

    vcpu->exclusive_bytes = 0;
    if (!held)
        return PB_MEM_FAIL;
    if (load(vcpu, gva, attr, &now, fault) != PB_MEM_OK)
        return PB_MEM_FAULT;
    return now.lo == vcpu->exclusive_value.lo ? store(vcpu, gva, attr, value, fault) : PB_MEM_FAIL;
}

static pb_mem_result code(pb_vcpu *vcpu, uint64_t gva, uint32_t mmu, pb_code_page *page,
                          pb_guest_fault *fault)
{
    pb_walk_request request = { .gva = gva, .type = PB_ACCESS_FETCH, .mmu = mmu };
    pb_translation t;
    uint8_t *host;

    if (translate(vcpu, &request, &t, fault) != PB_MEM_OK)
        return PB_MEM_FAULT;
    host = host_address(the_machine, t.gpa & ~PB_PAGE_MASK, PB_PAGE_SIZE);
    if (!host) {
        *fault = (pb_guest_fault){ .kind = PB_FAULT_BUS, .type = PB_ACCESS_FETCH, .gva = gva };
        return PB_MEM_FAULT;
    }
    *page = (pb_code_page){ .host = host,
                            .gpa = t.gpa & ~PB_PAGE_MASK,
                            .generation = &the_machine->generation,
                            .stamp = the_machine->generation };
    return PB_MEM_OK;
}

static const pb_vcpu_ops vcpu_ops = {
    .size = sizeof(pb_vcpu_ops),
    .load = load,
    .store = store,
    .ldx = ldx,
    .stx = stx,
    .translate = translate,
    .code = code,
};

/* ---- the host's services --------------------------------------------------------------------------------------- */

static G_GNUC_PRINTF(3, 4) void say(pb_object *object, uint32_t kind, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
}

static const void *extension(pb_object *object, const char *id)
{
    if (!strcmp(id, PB_EXTENSION_TRANSLATE))
        return &pb_translate_ops_table;
    return strcmp(id, PB_FP_EXTENSION) ? NULL : &pb_fp_ops_table;
}

static void request(pb_object *object, uint32_t what, int32_t status)
{
    printf("request %u, status %d\n", what, status);
}

static const pb_object_ops object_ops = {
    .size = sizeof(pb_object_ops),
    .log = say,
    .extension = extension,
    .request = request,
};

/* ---- life -------------------------------------------------------------------------------------------------------- */

static const pb_class *open_plugin(const char *file)
{
    void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    const pb_plugin *plugin = handle ? dlsym(handle, PB_PLUGIN_SYMBOL) : NULL;

    if (!plugin) {
        printf("%s\n", dlerror());
        exit(2);
    }
    return plugin->types[0];
}

static void set_self(machine *m, const pb_class *class, void *instance)
{
    if (class->self_offset)
        *(pb_object **)(void *)((char *)instance + class->self_offset - 1) = &m->object;
}

/* Properties of the accelerator are not set here but for its only one, a size. */
static void start_accel(machine *m)
{
    pb_error error = PB_ERROR_INIT;
    const pb_prop *prop = m->accel_type->head.props;

    m->accel = g_malloc0(m->accel_type->head.instance_size);
    set_self(m, &m->accel_type->head, m->accel);
    *(uint64_t *)(void *)((char *)m->accel + prop->offset) = 32 << 20;
    if (!m->accel_type->head.init(m->accel, &error) ||
        !m->accel_type->vcpu_init(m->accel, m->vcpu, &error)) {
        printf("%s\n", error.text);
        exit(2);
    }
}

static void reset(machine *m)
{
    uint32_t bytes = m->cpu->head.instance_size;

    memset(m->low, 0, LOW_BYTES);
    memset(m->high, 0, HIGH_BYTES);
    m->generation++;
    memset(m->vcpu->state, 0, bytes);
    set_self(m, &m->cpu->head, m->vcpu->state);
    memset(m->vcpu->fp, 0, sizeof(m->vcpu->fp));
    m->vcpu->retired = 0;
    m->vcpu->exclusive_bytes = 0;
    m->vcpu->tlb_epoch++;
    if (m->cpu->head.reset)
        m->cpu->head.reset(m->vcpu->state);
}

static machine *machine_new(const char *cpu_file, const char *accel_file)
{
    machine *m = g_new0(machine, 1);
    size_t bytes;

    the_machine = m;
    m->object.ops = &object_ops;
    m->cpu = (const pb_cpu_type *)(const void *)open_plugin(cpu_file);
    m->accel_type = (const pb_accel_type *)(const void *)open_plugin(accel_file);
    bytes = (PB_VCPU_STATE_OFFSET + m->cpu->head.instance_size + 63) & ~(size_t)63;
    m->vcpu = aligned_alloc(64, bytes);
    memset(m->vcpu, 0, bytes);
    m->vcpu->size = sizeof(pb_vcpu);
    m->vcpu->ops = &vcpu_ops;
    m->vcpu->type = m->cpu;
    m->vcpu->object = &m->object;
    m->vcpu->state = pb_vcpu_state(m->vcpu);
    start_accel(m);
    reset(m);
    return m;
}

static void machine_free(machine *m)
{
    m->accel_type->vcpu_finish(m->accel, m->vcpu);
    g_free(m->accel);
    free(m->vcpu);
    g_free(m);
}

/* ---- scripts ------------------------------------------------------------------------------------------------------- */

typedef struct script {
    machine *m;
    const char *file;
    unsigned line;
    unsigned passed, failed;
    bool in_case, case_failed;
    char *name; /* of the case */
} script;

static G_GNUC_PRINTF(2, 3) void wrong(script *s, const char *format, ...)
{
    va_list args;

    printf("%s:%u: case %s: ", s->file, s->line, s->name ? s->name : "?");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    s->case_failed = true;
}

static void end_case(script *s)
{
    if (s->in_case)
        *(s->case_failed ? &s->failed : &s->passed) += 1;
    s->in_case = s->case_failed = false;
}

static uint64_t number(const char *text)
{
    return g_ascii_strtoull(text, NULL, 0);
}

static const pb_slot *find_slot(script *s, const char *name)
{
    for (const pb_slot *slot = s->m->cpu->slots; slot->name; slot++)
        if (!strcmp(slot->name, name))
            return slot;
    wrong(s, "no register '%s'", name);
    return NULL;
}

/* 0x12, or 0xHIGH_LOW */
static pb_u128 wide_number(const char *text)
{
    const char *low = strchr(text, '_');

    if (!low)
        return (pb_u128){ number(text), 0 };
    return (pb_u128){ g_ascii_strtoull(low + 1, NULL, 16), g_ascii_strtoull(text, NULL, 16) };
}

static void set_register(script *s, const char *name, const char *value)
{
    const pb_slot *slot = find_slot(s, name);
    pb_u128 v = wide_number(value);

    if (slot)
        memcpy((char *)s->m->vcpu->state + slot->offset, &v, pb_slot_bytes(slot->type));
}

static void expect_register(script *s, const char *name, const char *value, const char *mask)
{
    const pb_slot *slot = find_slot(s, name);
    pb_u128 wanted = wide_number(value), is = { 0, 0 };

    if (!slot)
        return;
    memcpy(&is, (char *)s->m->vcpu->state + slot->offset, pb_slot_bytes(slot->type));
    if (mask)
        is = (pb_u128){ is.lo & number(mask), 0 };
    if (is.lo != wanted.lo || is.hi != wanted.hi)
        wrong(s, "%s is 0x%" PRIx64 "_%016" PRIx64 ", expected %s", name, is.hi, is.lo, value);
}

/* The words from words[2] on are bytes, two digits each. */
static void memory(script *s, char **words, bool compare)
{
    uint64_t gpa = number(words[1]);

    for (uint32_t w = 2; words[w]; w++)
        for (const char *c = words[w]; c[0] && c[1]; c += 2, gpa++) {
            int byte = g_ascii_xdigit_value(c[0]) << 4 | g_ascii_xdigit_value(c[1]);
            uint8_t *host = host_address(s->m, gpa, 1);

            if (byte < 0 || !host) {
                wrong(s, "'%s' are no bytes, or 0x%" PRIx64 " is no memory", words[w], gpa);
                return;
            }
            if (compare && *host != byte)
                wrong(s, "memory at 0x%" PRIx64 " is 0x%02x, expected 0x%02x", gpa, *host, byte);
            if (!compare)
                *host = (uint8_t)byte;
        }
    s->m->generation += !compare;
}

static void run(script *s, const char *budget, const char *wanted)
{
    static const char *const names[] = {
        [PB_RUN_REQUEST] = "request", [PB_RUN_BUDGET] = "budget",       [PB_RUN_IDLE] = "idle",
        [PB_RUN_YIELD] = "yield",     [PB_RUN_POWER_OFF] = "power-off", [PB_RUN_DEBUG] = "debug"
    };
    uint32_t reason;

    s->m->vcpu->budget = (int64_t)number(budget);
    reason = s->m->accel_type->run(s->m->accel, s->m->vcpu);
    if (reason >= G_N_ELEMENTS(names) || !names[reason] || strcmp(names[reason], wanted))
        wrong(s, "run came back with reason %u, expected %s", reason, wanted);
}

static void execute(script *s, char **words, const char *rest)
{
    guint n = g_strv_length(words);

    if (!strcmp(words[0], "case")) {
        end_case(s);
        s->in_case = true;
        g_free(s->name);
        s->name = g_strdup(rest);
        reset(s->m);
    } else if (!s->in_case) {
        s->in_case = true;
        wrong(s, "the script begins with 'case'");
    } else if (!strcmp(words[0], "put") && n >= 3) {
        memory(s, words, false);
    } else if (!strcmp(words[0], "mem") && n >= 3) {
        memory(s, words, true);
    } else if (!strcmp(words[0], "set") && n == 3) {
        set_register(s, words[1], words[2]);
    } else if (!strcmp(words[0], "reg") && (n == 3 || n == 4)) {
        expect_register(s, words[1], words[2], words[3]);
    } else if (!strcmp(words[0], "run") && n == 3) {
        run(s, words[1], words[2]);
    } else if (!strcmp(words[0], "retired") && n == 2) {
        if (s->m->vcpu->retired != number(words[1]))
            wrong(s, "%" PRIu64 " instructions, expected %s", s->m->vcpu->retired, words[1]);
    } else {
        wrong(s, "'%s' is no command, or has another number of words", words[0]);
    }
}

/* The words of a line, without empty ones and the comment. */
static char **split(char *line)
{
    g_auto(GStrv) all = NULL;
    GPtrArray *words = g_ptr_array_new();

    line[strcspn(line, "#")] = 0;
    all = g_strsplit_set(line, " \t", -1);
    for (char **w = all; *w; w++)
        if (**w)
            g_ptr_array_add(words, g_strdup(*w));
    g_ptr_array_add(words, NULL);
    return (char **)g_ptr_array_free(words, false);
}

int main(int argc, char **argv)
{
    g_auto(GStrv) lines = NULL;
    g_autofree char *text = NULL;
    script s = { .file = argc == 4 ? argv[3] : NULL };

    if (argc != 4)
        return 2;
    if (!g_file_get_contents(argv[3], &text, NULL, NULL)) {
        printf("%s cannot be read\n", argv[3]);
        return 2;
    }
    s.m = machine_new(argv[1], argv[2]);
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        g_autofree char *copy = g_strdup(*line);
        g_auto(GStrv) words = split(*line);

        s.line++;
        if (words[0])
            execute(&s, words, g_strstrip(copy + strlen(words[0])));
    }
    end_case(&s);
    machine_free(s.m);
    g_free(s.name);
    printf("%u passed, %u failed\n", s.passed, s.failed);
    return s.passed == 0 || s.failed != 0;
}
