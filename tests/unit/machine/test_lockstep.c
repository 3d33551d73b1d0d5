/*
 * core/machine/lockstep: two accelerators that agree, and differences that are put into units of IR as they are made for
 * the one that is tested. They have to be found at the instruction that was made wrong.
 *
 * The plugins are those of PATCHBAY_PLUGIN_PATH.
 */
#include "../runner.h"

#include <core/ir/translate.h>
#include <core/machine/lockstep.h>
#include <core/machine/snapshot.h>
#include <elf.h>
#include <glib/gstdio.h>
#include <patchbay/codegen.h>
#include <string.h>

#define START UINT64_C(0x40080000)

/* A loop of 100 rounds, twice; in the second one x5 is 1, before it is 0. */
static const uint32_t code[] = {
    0xd28000e0, /* movz x0, #7 */
    0xd2800c81, /* movz x1, #100 */
    0xd2800005, /* movz x5, #0 */
    0xd2a80404, /* movz x4, #0x4020, lsl #16 */
    0x8b050000, /* add x0, x0, x5 */
    0xf9000080, /* str x0, [x4] */
    0xf1000421, /* subs x1, x1, #1 */
    0x54ffffa1, /* b.ne the add */
    0xb50000a6, /* cbnz x6, the end */
    0xd2800025, /* movz x5, #1 */
    0xd2800026, /* movz x6, #1 */
    0xd2800c81, /* movz x1, #100 */
    0x17fffff8, /* b the add */
    0xd2800100, /* movz x0, #8 */
    0xf2b08000, /* movk x0, #0x8400, lsl #16: SYSTEM_OFF */
    0xd4000002, /* hvc #0 */
};

/* Instructions executed up to the first add with x5 == 1, that one included, and up to its store; all. */
enum { FIRST_ADD = 4 + 400 + 5 + 1, FIRST_STORE = FIRST_ADD + 1, ALL = 4 + 400 + 5 + 400 + 1 + 3 };

#define ADD   (START + 16)
#define STORE (START + 20)

static char *kernel;
static GString *report;

/* ---- machines -------------------------------------------------------------------------------- */

static char *write_kernel(void)
{
    struct {
        Elf64_Ehdr head;
        Elf64_Phdr segment;
        uint32_t code[G_N_ELEMENTS(code)];
    } file = {
        .head = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
                               EV_CURRENT },
                  .e_type = ET_EXEC,
                  .e_machine = EM_AARCH64,
                  .e_version = EV_CURRENT,
                  .e_entry = START,
                  .e_phoff = sizeof(Elf64_Ehdr),
                  .e_ehsize = sizeof(Elf64_Ehdr),
                  .e_phentsize = sizeof(Elf64_Phdr),
                  .e_phnum = 1 },
        .segment = { .p_type = PT_LOAD,
                     .p_flags = PF_R | PF_W | PF_X,
                     .p_offset = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr),
                     .p_vaddr = START,
                     .p_paddr = START,
                     .p_filesz = sizeof(code),
                     .p_memsz = sizeof(code),
                     .p_align = 8 },
    };
    char *path = NULL;
    int fd = g_file_open_tmp("patchbay-test-XXXXXX", &path, NULL);

    g_assert(fd >= 0);
    memcpy(file.code, code, sizeof(code));
    g_close(fd, NULL);
    g_assert(g_file_set_contents(path, (const char *)&file, sizeof(file), NULL));
    return path;
}

static const pb_class *find(void *opaque, pb_kind kind, const char *type, GError **error)
{
    return pb_plugin_host_type(opaque, kind, type, error);
}

/* One of both machines, composed. */
typedef struct composed_side {
    pb_yaml *yaml;
    pb_diags *diags;
    pb_plan *plan;
} composed_side;

static composed_side compose(pb_plugin_host *host, const char *accel)
{
    g_autofree char *text = g_strdup_printf("machine: small\n"
                                            "cpus: { cpu: { type: arm64/cortex-a57, psci: hvc } }\n"
                                            "memory: { ram: { at: 0x40000000, size: 16MiB } }\n"
                                            "boot: { linux: { type: linux/arm64, kernel: '%s' } }\n"
                                            "fdt: { compatible: 'patchbay,small' }\n",
                                            kernel);
    const pb_plan_options options = { .accel = accel, .deterministic = true };
    const pb_catalog catalog = { find, host };
    composed_side side = { .yaml = pb_yaml_new(), .diags = pb_diags_new() };
    const pb_yaml_node *root = pb_yaml_parse(side.yaml, "f", text, strlen(text), side.diags);

    side.plan = pb_plan_compose(side.yaml, root, &options, &catalog, side.diags);
    if (pb_diags_errors(side.diags)) {
        g_autofree char *errors = pb_diags_text(side.diags);

        printf("\n%s", errors);
    }
    CU_ASSERT_EQUAL_FATAL(pb_diags_errors(side.diags), 0);
    return side;
}

static void composed_side_finish(composed_side *side)
{
    pb_plan_free(side->plan);
    pb_diags_free(side->diags);
    pb_yaml_free(side->yaml);
}

static void say(void *opaque, const char *text)
{
    g_string_append(opaque, text);
}

static pb_lockstep_result run(const char *first, const char *second, uint64_t every, uint64_t until,
                              const char *load)
{
    pb_plugin_host *host = pb_plugin_host_new(NULL);
    composed_side sides[2] = { compose(host, first), compose(host, second) };
    const pb_lockstep lockstep = { .plans = { sides[0].plan, sides[1].plan },
                                   .hosts = { host, host },
                                   .load = load,
                                   .every = every,
                                   .until = until,
                                   .say = say,
                                   .opaque = report };
    g_autoptr(GError) error = NULL;
    pb_lockstep_result result;

    g_string_truncate(report, 0);
    if (!pb_lockstep_run(&lockstep, &result, &error)) {
        printf("\n%s\n", error->message);
        CU_FAIL("the machines did not run");
    }
    composed_side_finish(&sides[0]);
    composed_side_finish(&sides[1]);
    pb_plugin_host_free(host);
    return result;
}

static void expect_report(const char *text)
{
    if (!strstr(report->str, text))
        printf("\nno '%s' in:\n%s", text, report->str);
    CU_ASSERT_PTR_NOT_NULL(strstr(report->str, text));
}

/* ---- what is put in -------------------------------------------------------------------------- */

/* Which instruction is made wrong, and in which units. */
static struct {
    uint64_t pc;
    uint32_t op;
    void (*change)(ir_op_record *op);
    uint64_t until; /* made before so many instructions were executed; 0: all */
    uint32_t least; /* of at least so many */
} wrong;

/* Emitted code has a jump table, the interpreter has none. */
static void make_wrong(pb_vcpu *vcpu, const ir_unit *unit)
{
    if (!vcpu->jumps || (wrong.until && vcpu->retired >= wrong.until) ||
        unit->n_marks < wrong.least)
        return;
    for (uint32_t i = 0; i < unit->n_marks; i++) {
        uint32_t end = i + 1 < unit->n_marks ? unit->marks[i + 1].record : unit->n_ops;

        for (uint32_t n = unit->marks[i].record; unit->marks[i].pc == wrong.pc && n < end; n++)
            if (unit->ops[n].op == wrong.op)
                wrong.change(&unit->ops[n]);
    }
}

static void subtract(ir_op_record *op)
{
    op->op = IR_OP_SUB;
}

/* The address, instead of the value. */
static void store_address(ir_op_record *op)
{
    op->arg[1] = op->arg[0];
}

static void put_in(uint64_t pc, uint32_t op, void (*change)(ir_op_record *op))
{
    static const pb_translate_hooks hooks = { .unit = make_wrong };

    memset(&wrong, 0, sizeof(wrong));
    wrong.pc = pc;
    wrong.op = op;
    wrong.change = change;
    pb_translate_set_hooks(&hooks);
}

/* ---- cases ----------------------------------------------------------------------------------- */

static void equal(void)
{
    static const uint64_t looks[] = { 1, 7, 100, 1000000 };

    for (unsigned i = 0; i < G_N_ELEMENTS(looks); i++) {
        pb_lockstep_result result = run("interp", "jit", looks[i], 0, NULL);

        CU_ASSERT_FALSE(result.differ);
        CU_ASSERT_EQUAL(result.status, 0);
        CU_ASSERT_EQUAL(result.insns, ALL);
        CU_ASSERT_EQUAL(report->len, 0);
    }
}

static void stops(void)
{
    pb_lockstep_result result = run("interp", "jit", 100, 250, NULL);

    CU_ASSERT_FALSE(result.differ);
    CU_ASSERT_EQUAL(result.insns, 250);
}

static void wrong_register(void)
{
    static const uint64_t looks[] = { 1, 9, 100, 1000000 };

    for (unsigned i = 0; i < G_N_ELEMENTS(looks); i++) {
        pb_lockstep_result result;

        put_in(ADD, IR_OP_ADD, subtract);
        result = run("interp", "jit", looks[i], 0, NULL);
        pb_translate_set_hooks(NULL);
        CU_ASSERT_TRUE(result.differ);
        CU_ASSERT_EQUAL(result.insns, FIRST_ADD);
        CU_ASSERT_EQUAL(result.pc, ADD);
        expect_report("is at instruction 410, of cpu 0:\n  0x0000000040080010:");
        expect_report("add x0, x0, x5");
        expect_report("cpu[0]: x0: 0x8 / 0x6\n");
        expect_report("unit of jit: 0x");
        expect_report(" = sub ");
        CU_ASSERT_PTR_NULL(strstr(report->str, "remembers"));
    }
}

/* A value that is wrong in the store alone: seen in memory. */
static void wrong_store(void)
{
    pb_lockstep_result result;

    put_in(STORE, IR_OP_ST, store_address);
    result = run("interp", "jit", 1000, 0, NULL);
    pb_translate_set_hooks(NULL);
    CU_ASSERT_TRUE(result.differ);
    CU_ASSERT_EQUAL(result.insns, 6);
    CU_ASSERT_EQUAL(result.pc, STORE);
    expect_report("ram+0x200000: 0x0000000000000007 / 0x0000000040200000\n");
}

/* A unit of the start that is still there in the second loop; from a snapshot it would be made anew. */
static void wrong_and_remembered(void)
{
    pb_lockstep_result result;

    put_in(ADD, IR_OP_ADD, subtract);
    wrong.until = 300;
    result = run("interp", "jit", 100, 0, NULL);
    pb_translate_set_hooks(NULL);
    CU_ASSERT_TRUE(result.differ);
    /* The unit is whole in the last run that ends behind it only; where it is cut, it is made anew, and right. */
    CU_ASSERT_TRUE(result.insns >= FIRST_ADD && result.insns <= FIRST_ADD + 4);
    expect_report("does not show from a snapshot at 400: jit remembers");
}

/* Wrong in units of several instructions only, as what one leaves for the next would be. */
static void wrong_together(void)
{
    pb_lockstep_result result;

    put_in(ADD, IR_OP_ADD, subtract);
    wrong.least = 3;
    result = run("interp", "jit", 1000, 0, NULL);
    pb_translate_set_hooks(NULL);
    CU_ASSERT_TRUE(result.differ);
    CU_ASSERT_TRUE(result.insns >= FIRST_ADD && result.insns <= FIRST_ADD + 4);
}

static void from_a_snapshot(void)
{
    pb_plugin_host *host = pb_plugin_host_new(NULL);
    composed_side side = compose(host, "interp");
    g_autoptr(pb_machine) machine = pb_machine_new(side.plan, host, NULL);
    g_autofree char *file = g_strconcat(kernel, ".snapshot", NULL);
    pb_lockstep_result result;

    CU_ASSERT_PTR_NOT_NULL_FATAL(machine);
    CU_ASSERT_TRUE(pb_machine_reset(machine, NULL));
    CU_ASSERT_TRUE(pb_machine_save(machine, file, NULL));
    g_clear_pointer(&machine, pb_machine_free);
    composed_side_finish(&side);
    pb_plugin_host_free(host);
    result = run("interp", "jit", 100, 0, file);
    CU_ASSERT_FALSE(result.differ);
    CU_ASSERT_EQUAL(result.insns, ALL);
    g_unlink(file);
}

int main(void)
{
    static const unit_case cases[] = {
        { "equal", equal },
        { "an end", stops },
        { "a wrong register", wrong_register },
        { "a wrong store", wrong_store },
        { "a wrong unit that stayed", wrong_and_remembered },
        { "wrong in long units", wrong_together },
        { "from a snapshot", from_a_snapshot },
        { 0 },
    };
    int status;

    kernel = write_kernel();
    report = g_string_new(NULL);
    status = unit_run("lockstep", cases);
    g_unlink(kernel);
    g_free(kernel);
    g_string_free(report, TRUE);
    return status;
}
