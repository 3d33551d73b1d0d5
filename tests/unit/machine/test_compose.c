/* core/machine: composition of plans, with the types of catalog.c. */
#include "../runner.h"
#include "catalog.h"

#include <glib/gstdio.h>
#include <string.h>

#define BOARD          \
    "machine: board\n" \
    "memory:\n"        \
    "  ram: { at: 0x40000000, size: 1MiB }\n"

static void expect_errors(const char *text, const char *errors)
{
    composed c = compose_string(text);

    if (strcmp(c.errors, errors) != 0)
        printf("\n%s\n", c.errors);
    CU_ASSERT_STRING_EQUAL(c.errors, errors);
    composed_free(&c);
}

static composed expect_plan(const char *text, const pb_plan_options *options)
{
    composed c = compose_text_with(text, options);

    if (*c.errors)
        printf("\n%s\n", c.errors);
    CU_ASSERT_STRING_EQUAL(c.errors, "");
    return c;
}

static pb_plan_part *part(const composed *c, const char *path)
{
    pb_plan_part *found = pb_plan_find(c->plan, path);

    CU_ASSERT_PTR_NOT_NULL_FATAL(found);
    return found;
}

static const char *prop(const composed *c, const char *path, const char *name)
{
    const pb_plan_part *p = part(c, path);

    for (const pb_prop *row = p->class->props; row->name; row++) {
        if (strcmp(row->name, name) == 0)
            return pb_plan_part_text(p, row);
    }
    return NULL;
}

/* All wires, "a.b>c.d ...". */
static char *wires(const composed *c)
{
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < c->plan->wires->len; i++) {
        const pb_plan_wire *w = &g_array_index(c->plan->wires, pb_plan_wire, i);
        g_autofree char *from = pb_plan_port_text(w->from, w->from_port, w->from_index);
        g_autofree char *to = pb_plan_port_text(w->to, w->to_port, w->to_index);

        g_string_append_printf(text, "%s%s>%s", i ? " " : "", from, to);
    }
    return g_string_free(text, FALSE);
}

static void expect_wires(const char *text, const char *expected)
{
    composed c = expect_plan(text, NULL);
    g_autofree char *found = wires(&c);

    CU_ASSERT_STRING_EQUAL(found, expected);
    composed_free(&c);
}

#define INTC "  intc: { type: intc, inputs: 8, at: [0x1000, 0x100000], out: \"cpu[0].irq\" }\n"
#define CPU  "cpus:\n  cpu: { type: cpu }\n"

static void parts(void)
{
    composed c = expect_plan(
        BOARD CPU "devices:\n" INTC
                  "  uart: { type: uart, repeat: 3, at: \"${0x2000 + i * 0x1000}\", "
                  "irq: \"intc.in[i+1]\", clock: \"${(i+1)*1000000}\", list: [1, \"${i}\"] }\n"
                  "accel: { type: interp }\n",
        NULL);
    const pb_plan_mapping *m;

    CU_ASSERT_EQUAL(c.plan->parts->len, 5);
    CU_ASSERT_STRING_EQUAL(prop(&c, "uart[2]", "clock"), "3000000");
    CU_ASSERT_STRING_EQUAL(prop(&c, "uart[2]", "mode"), "slow");
    CU_ASSERT_STRING_EQUAL(prop(&c, "uart[1]", "list"), "1");
    m = &g_array_index(part(&c, "uart[1]")->mappings, pb_plan_mapping, 0);
    CU_ASSERT_EQUAL(m->gpa, 0x3000);
    CU_ASSERT_EQUAL(m->bytes, 0x1000);
    m = &g_array_index(part(&c, "intc")->mappings, pb_plan_mapping, 1);
    CU_ASSERT_EQUAL(m->bytes, 0x10000);
    CU_ASSERT_STRING_EQUAL(c.plan->accel->type, "interp");
    composed_free(&c);
}

static void wiring(void)
{
    expect_wires(BOARD "cpus:\n  cpu: { type: cpu, count: 2, timer: \"intc.in[i*2]\" }\n"
                       "devices:\n  intc: { type: intc, inputs: 8, cpus: 2, at: [0x1000, "
                       "0x100000], out: \"cpu[*].irq\" }\n",
                 "cpu[0].timer>intc.in[0] cpu[1].timer>intc.in[2] intc.out[0]>cpu[0].irq "
                 "intc.out[1]>cpu[1].irq");
    expect_wires(BOARD
                 "cpus:\n  cpu: { type: cpu, count: 4 }\n"
                 "devices:\n  intc: { type: intc, inputs: 8, cpus: 4, at: [0x1000, 0x100000], "
                 "out: [\"cpu[3].irq\", \"cpu[0..2 step 2].fiq\", \"cpu[1..1].fiq\"] }\n",
                 "intc.out[0]>cpu[3].irq intc.out[1]>cpu[0].fiq intc.out[2]>cpu[2].fiq "
                 "intc.out[3]>cpu[1].fiq");
    /* One output to several inputs; the only port of the protocol; a single element. */
    expect_wires(
        BOARD CPU
        "devices:\n"
        "  intc: { type: intc, inputs: 8, cpus: 2, at: [0x1000, 0x100000], \"out[1]\": "
        "\"cpu[0].irq\", \"out[0]\": \"cpu[0].fiq\" }\n"
        "  uart: { type: uart, at: 0, irq: [\"intc.in[1]\", \"intc.in[3]\"], serial: host.s }\n"
        "backends:\n  s: { type: stdio }\n",
        "intc.out[1]>cpu[0].irq intc.out[0]>cpu[0].fiq uart.irq>intc.in[1] uart.irq>intc.in[3] "
        "uart.serial>host.s.serial");
}

static void first_free(void)
{
    expect_wires(
        BOARD "devices:\n"
              "  b: { type: bridge }\n"
              "  c1: { type: card, slot: \"b.slot[*]\", drive: host.d1 }\n"
              "  c2: { type: card, slot: \"b.slot[0]\", drive: host.d2 }\n"
              "  c3: { type: card, slot: \"b.slot[1..3 step 2]\", drive: host.d3 }\n"
              "backends:\n"
              "  d1: { type: disk, file: x }\n  d2: { type: disk, file: x }\n  d3: { type: disk, "
              "file: x }\n",
        "c1.drive>host.d1.drive c2.slot>b.slot[0] c2.drive>host.d2.drive c3.drive>host.d3.drive "
        "c1.slot>b.slot[1] c3.slot>b.slot[3]");
}

static void wrong_wires(void)
{
    expect_errors(
        BOARD CPU "devices:\n" INTC "  a: { type: uart, at: 0x2000, irq: \"intc.in[1]\" }\n"
                  "  b: { type: uart, at: 0x3000, irq: \"intc.in[1]\" }\n"
                  "  c: { type: uart, at: 0x4000, irq: \"intc.in[8]\" }\n"
                  "  d: { type: uart, at: 0x5000, irq: intc.in }\n"
                  "  e: { type: uart, at: 0x6000, irq: \"cpu[1].irq\" }\n"
                  "  f: { type: uart, at: 0x7000, irq: \"a.irq\" }\n"
                  "  g: { type: uart, at: 0x8000, irq: \"intc.on[2]\" }\n"
                  "  h: { type: uart, at: 0x9000, irq: \"into.in[2]\" }\n"
                  "  i: { type: uart, at: 0xa000, serial: \"intc.in[2]\" }\n"
                  "  j: { type: uart, at: 0xb000, irq: \"intc.in[3\" }\n"
                  "  k: { type: uart, at: 0xc000, irq: \"intc.in[3]x\" }\n"
                  "  l: { type: uart, at: 0xd000, irq: \"cpu[0]\" }\n",
        "f:9:37: 'intc.in[1]' is connected to 'a.irq' already, in line 8\n"
        "f:10:46: port 'in' of 'intc' has no element 8; they go from 0 to 7\n"
        "f:11:43: port 'in' of 'intc' has elements 0 to 7: write which, or [*]\n"
        "f:12:42: part 'cpu' has no element 1; they go from 0 to 0\n"
        "f:13:37: 'f.irq' and 'a.irq' both require a peer: one side must provide\n"
        "f:14:43: intc has no port 'on'; did you mean 'in'?\n"
        "f:15:38: there is no part 'into'; did you mean 'intc'?\n"
        "f:16:3: warning: 'i.irq' is not connected\n"
        "f:16:40: 'i.serial' speaks 'char', but 'intc.in[2]' speaks 'irq'\n"
        "f:17:45: ']' is missing\n"
        "f:18:48: 'x' was not expected here; an end is like gic.spi[3]\n"
        "f:19:44: cpu provides several ports of protocol 'irq' ('irq', 'fiq'): write which\n");
}

static void overlaps(void)
{
    expect_errors(BOARD "devices:\n  b: { type: bridge }\n  u: { type: uart, at: 0x40000ff0 }\n",
                  "f:6:3: warning: 'u.irq' is not connected\n"
                  "f:6:24: 'registers' of 'u' (0x40000ff0-0x40001fef) overlaps memory 'ram' "
                  "(0x40000000-0x400fffff) in line 3\n");
    expect_errors(
        "machine: m\nmemory:\n  a: { at: 0xffffffffffff0000, size: 64KiB }\n"
        "  b: { at: 0xffffffffffff0000, size: 65537 }\n",
        "f:4:3: 0x10001 bytes at 0xffffffffffff0000 go past the end of the address space\n");
}

static void attaching(void)
{
    static const char text[] =
        BOARD "devices:\n  b: { type: bridge }\n"
              "  u: { type: uart, at: 0, irq: \"\", serial: host.serial0 }\n"
              "backends:\n  serial0: { type: stdio }\n"
              "attach:\n"
              "  serial: { backend: { type: \"${word}\" } }\n"
              "  drive:\n"
              "    backend: { type: disk, file: \"${word}\", read-only: false }\n"
              "    devices:\n"
              "      blk: { type: card, slot: \"b.slot[*]\", drive: \"host.drive${n}\" }\n";
    const pb_plan_attach attaches[] = {
        { "--drive", "drive", "a,,b.img,read-only=on" },
        { "--serial", "serial", "stdio" },
        { "--drive", "drive", "dir/x=1.img,serial=S$1" },
    };
    const pb_plan_options options = { .attaches = attaches, .n_attaches = 3 };
    composed c = expect_plan(text, &options);
    g_autofree char *found = wires(&c);

    CU_ASSERT_STRING_EQUAL(
        found,
        "u.serial>host.serial0.serial blk0.drive>host.drive0.drive blk1.drive>host.drive1.drive "
        "blk0.slot>b.slot[0] blk1.slot>b.slot[1]");
    CU_ASSERT_STRING_EQUAL(prop(&c, "host.drive0", "file"), "a,b.img");
    CU_ASSERT_STRING_EQUAL(prop(&c, "host.drive0", "read-only"), "on");
    CU_ASSERT_STRING_EQUAL(prop(&c, "host.drive1", "file"), "dir/x=1.img");
    CU_ASSERT_STRING_EQUAL(prop(&c, "host.drive1", "read-only"), "false");
    CU_ASSERT_STRING_EQUAL(prop(&c, "blk1", "serial"), "S$1");
    composed_free(&c);
}

static void wrong_options(void)
{
    static const char text[] =
        BOARD "parameters:\n  ram: { type: size, default: 1MiB, max: 2MiB }\n"
              "devices:\n  b: { type: bridge }\n"
              "attach:\n  drive: { backend: { type: disk, file: \"${word}\" } }\n";
    const pb_plan_attach attaches[] = {
        { "--drive", "drive", "x,readonly=on" },
        { "--net", "net", "user" },
        { "--drive", "drive", "x,oops" },
        { "--drive", "drive", "x,read-only=maybe" },
    };
    const pb_plan_set sets[] = { { "--set ram", "ram", "3MiB" }, { "--set rma", "rma", "1" } };
    const pb_plan_options options = {
        .attaches = attaches, .n_attaches = 4, .sets = sets, .n_sets = 2, .accel = "kwm"
    };
    composed c = compose_text_with(text, &options);

    CU_ASSERT_STRING_EQUAL(
        c.errors,
        "--set ram: ram: 3MiB is outside 0 to 2MiB\n"
        "--set rma: machine 'board' has no parameter 'rma'; did you mean 'ram'?\n"
        "--drive: nothing that 'drive' adds has a property 'readonly'; did you mean 'read-only'?\n"
        "--net: machine 'board' has no attach rule 'net'\n"
        "--drive: 'oops' in 'x,oops' is not PROPERTY=VALUE\n"
        "--drive: read-only: 'maybe' is not true or false\n"
        "--accel: no type 'kwm'\n");
    composed_free(&c);
}

static void parameters(void)
{
    static const char text[] =
        "machine: m\n"
        "parameters:\n"
        "  ram: { type: size, default: 1MiB, min: 4096 }\n"
        "  half: { type: size, default: \"${ram / 2}\" }\n"
        "  mode: { type: string, default: slow, choices: [slow, fast] }\n"
        "  log: { type: path, default: x.log }\n"
        "  loud: { type: bool, default: false }\n"
        "asserts:\n"
        "  - { that: half < ram, say: no }\n"
        "memory:\n"
        "  ram: { at: 0x10000, size: \"${half}\" }\n"
        "devices:\n"
        "  u: { type: uart, at: 0, mode: \"${mode}\", log: \"${log}\", when: loud }\n"
        "  v: { type: uart, at: 0, mode: \"${mode}\", log: \"${log}\", when: \"!loud\" }\n";
    const pb_plan_set sets[] = { { "--set ram", "ram", "2MiB" },
                                 { "--set ram", "ram", "4MiB" },
                                 { "--set mode", "mode", "fast" },
                                 { "--set log", "log", "y.log" },
                                 { "--set loud", "loud", "yes" } };
    const pb_plan_options options = { .sets = sets, .n_sets = 5 };
    composed c = compose_text_with(text, &options);

    CU_ASSERT_STRING_EQUAL(c.errors, "f:13:3: warning: 'u.irq' is not connected\n");
    CU_ASSERT_EQUAL(((pb_plan_memory *)c.plan->memories->pdata[0])->bytes, 2 << 20);
    CU_ASSERT_STRING_EQUAL(prop(&c, "u", "mode"), "fast");
    CU_ASSERT_STRING_EQUAL(prop(&c, "u", "log"), "y.log");
    CU_ASSERT_PTR_NULL(pb_plan_find(c.plan, "v"));
    composed_free(&c);
}

/* Errors of all sections in one go, in the order of the file. */
static void all_errors(void)
{
    expect_errors(
        "machine: m\n"
        "parametres: {}\n"
        "cpus:\n"
        "  cpu: { type: cpux }\n"
        "devices:\n"
        "  a: { type: uart, at: 1O, irq: nowhere.in, modi: fast }\n"
        "  b: 7\n"
        "  9c: { type: uart }\n"
        "  d: { at: 0 }\n"
        "  e: { type: uart, mode: fats, at: { register: 0 }, clock: 1GHz }\n"
        "  f: { type: intc }\n"
        "memory:\n"
        "  ram: { at: 0 }\n",
        "f:2:1: unknown key 'parametres' in a machine; did you mean 'parameters'?\n"
        "f:4:16: no type 'cpux'\n"
        "f:6:24: at: '1O' is not a number, such as 16 or 0x10\n"
        "f:6:33: there is no part 'nowhere'\n"
        "f:6:45: uart has no property or port 'modi'; did you mean 'mode'?\n"
        "f:7:6: a mapping (type: and what the type has) is expected, this is a value\n"
        "f:8:3: '9c' is no name; names have letters, digits, - and _, like uart0 or uart[0]\n"
        "f:9:3: 'd' has no type\n"
        "f:10:26: mode: 'fats' is none of slow, fast; did you mean 'fast'?\n"
        "f:10:38: uart has no region 'register' to place; did you mean 'registers'?\n"
        "f:10:60: clock: 1GHz is outside 1kHz to 100MHz\n"
        "f:11:3: 'inputs' is missing: intc needs it (number of inputs)\n"
        "f:11:3: 'at' is missing: region 'distributor' of intc needs an address\n"
        "f:11:3: warning: 'f.out[0]' is not connected\n"
        "f:13:8: 'size' is missing in memory: Bytes\n");
}

/* ---- files ----------------------------------------------------------------------------------- */

static char *folder;

static void put(const char *name, const char *text)
{
    g_autofree char *file = g_build_filename(folder, name, NULL);

    CU_ASSERT_TRUE_FATAL(g_file_set_contents(file, text, -1, NULL));
}

static composed load(const char *name)
{
    g_autofree char *file = g_build_filename(folder, name, NULL);

    return compose_file_with(file, NULL);
}

static void includes(void)
{
    composed c;
    g_autofree char *log = NULL;

    put("base.yaml", BOARD
        "devices:\n  u: { type: uart, at: 0, mode: fast, log: u.log, irq: \"i.in[0]\" }\n"
        "  i: { type: intc, inputs: 4, at: [0x1000, 0x2000], \"out[0]\": \"cpu[0].irq\" }\n" CPU);
    put("more.yaml", "devices:\n  u: { clock: 1MHz }\n");
    put("top.yaml",
        "include: [base.yaml, more.yaml]\nmachine: top\n"
        "devices:\n  u: { mode: null, at: !replace { registers: 0x100000 } }\n  i: null\n"
        "  u2: { type: uart, at: 0x200000, log: v.log }\n");
    c = load("top.yaml");
    CU_ASSERT_PTR_NOT_NULL(strstr(c.errors, "base.yaml:5:57: there is no part 'i'"));
    CU_ASSERT_STRING_EQUAL(c.plan->name, "top");
    CU_ASSERT_PTR_NULL(pb_plan_find(c.plan, "i"));
    CU_ASSERT_STRING_EQUAL(prop(&c, "u", "mode"), "slow");
    CU_ASSERT_STRING_EQUAL(prop(&c, "u", "clock"), "1MHz");
    log = g_build_filename(folder, "u.log", NULL);
    CU_ASSERT_STRING_EQUAL(prop(&c, "u", "log"), log);
    composed_free(&c);
}

static void wrong_includes(void)
{
    composed c;
    g_autofree char *expected = NULL;

    put("a.yaml", "include: b.yaml\n");
    put("b.yaml", "include: a.yaml\n");
    put("c.yaml", "include: [none.yaml]\n");
    put("d.yaml", "devices: { u: null }\n");
    c = load("a.yaml");
    expected = g_strdup_printf("%s/b.yaml:1:10: '%s/a.yaml' includes itself\n", folder, folder);
    CU_ASSERT_STRING_EQUAL(c.errors, expected);
    composed_free(&c);
    c = load("c.yaml");
    g_free(expected);
    expected = g_strdup_printf(
        "%s/c.yaml:1:11: cannot open '%s/none.yaml': No such file or directory\n", folder, folder);
    CU_ASSERT_STRING_EQUAL(c.errors, expected);
    composed_free(&c);
    c = load("d.yaml");
    CU_ASSERT_PTR_NOT_NULL(
        strstr(c.errors, "null deletes what an included file has, and none has it"));
    composed_free(&c);
}

/* What dump writes composes to what it was made from. */
static void dump_round_trip(void)
{
    static const char text[] = BOARD
        "  boot: { at: 0, size: 4KiB, type: rom, file: boot.bin }\n"
        "cpus:\n  cpu: { type: cpu, count: 2, timer: \"intc.in[i*2]\", cluster: \"${i * 200}\" }\n"
        "devices:\n  intc: { type: intc, inputs: 8, cpus: 2, at: [0x1000, 0x100000], out: "
        "\"cpu[*].irq\" }\n"
        "  uart: { type: uart, repeat: 2, at: \"${0x2000 + i*0x1000}\", irq: "
        "[\"intc.in[1+i*4]\", \"intc.in[3+i*4]\"], list: [1, 2] }\n"
        "  card: { type: card, slot: \"b.slot[*]\", drive: host.d, serial: \"a $$b: c\" }\n"
        "  b: { type: bridge }\n"
        "backends:\n  d: { type: disk, file: /x/y.img }\n"
        "accel: { type: interp, serial: x }\n"
        "run: { threads: round-robin, epoch: -5, seed: 77 }\n"
        "fdt: { compatible: [\"linux,dummy-virt\", x], clock: 1MHz, stdout: intc }\n";
    composed first = expect_plan(text, NULL), second;
    g_autofree char *dump = pb_plan_dump(first.plan);
    g_autofree char *again = NULL;

    second = expect_plan(dump, NULL);
    again = pb_plan_dump(second.plan);
    CU_ASSERT_STRING_EQUAL(dump, again);
    CU_ASSERT_EQUAL(pb_plan_find(second.plan, "cpu[0]")->cluster, 0);
    CU_ASSERT_EQUAL(pb_plan_find(second.plan, "cpu[1]")->cluster, 200);
    CU_ASSERT_STRING_EQUAL(prop(&second, "card", "serial"), "a $b: c");
    CU_ASSERT_EQUAL(first.plan->wires->len, second.plan->wires->len);
    composed_free(&first);
    composed_free(&second);
}

int main(void)
{
    static const unit_case cases[] = { { "parts, arrays, places", parts },
                                       { "wires", wiring },
                                       { "first free ports", first_free },
                                       { "wrong wires", wrong_wires },
                                       { "overlaps", overlaps },
                                       { "options that attach", attaching },
                                       { "wrong options", wrong_options },
                                       { "parameters", parameters },
                                       { "all errors at once", all_errors },
                                       { "includes override", includes },
                                       { "wrong includes", wrong_includes },
                                       { "dump composes again", dump_round_trip },
                                       { 0 } };
    int status;

    folder = g_dir_make_tmp("patchbay-compose-XXXXXX", NULL);
    status = unit_run("machine composition", cases);
    for (const char *const *name =
             (const char *const[]){ "base.yaml", "more.yaml", "top.yaml", "a.yaml", "b.yaml",
                                    "c.yaml", "d.yaml", NULL };
         *name; name++) {
        g_autofree char *file = g_build_filename(folder, *name, NULL);

        g_unlink(file);
    }
    g_rmdir(folder);
    g_free(folder);
    return status;
}
