/* The composer: from the tree of a machine file to a plan. See plan.h; the order of steps is in
 * pb_plan_compose(). */
#include <core/device/object.h>
#include <core/machine/compose.h>
#include <core/sched/sched.h>
#include <string.h>

/* ---- keys of machine files ------------------------------------------------------------------- */

const pb_key pb_keys_machine[] = {
    { "machine", "text", "The machine's name" },
    { "doc", "text", "One line about it" },
    { "include", "list", "Machines or files that this one overrides" },
    { "parameters", "mapping", "What a user may set, by name" },
    { "asserts", "list", "What must be true of the parameters" },
    { "cpus", "mapping", "Processors, by name" },
    { "memory", "mapping", "RAM and ROM, by name" },
    { "devices", "mapping", "Devices, by name" },
    { "backends", "mapping", "What of the host the machine uses, by name: host.NAME in wires" },
    { "attach", "mapping", "What options like --drive add, by option" },
    { "boot", "mapping", "Loaders, by name" },
    { "accel", "mapping", "What executes guest code" },
    { "fdt", "mapping", "The board's part of the flattened device tree" },
    { "bus", "mapping", "What happens to accesses that nobody takes" },
    { "run", "mapping", "How the machine runs" },
    { 0 }
};

const pb_key pb_keys_parameter[] = {
    { "type", "parameter type", "uint, int, size, hz, string, path or bool" },
    { "default", "value", "Its value if it is not set; without one it must be set" },
    { "min", "value", "Smallest number" },
    { "max", "value", "Largest number" },
    { "choices", "list", "The values that it may have" },
    { "doc", "text", "One line" },
    { 0 }
};

const pb_key pb_keys_assert[] = { { "that", "condition", "What must be true" },
                                  { "say", "text", "The error if it is not" },
                                  { 0 } };

const pb_key pb_keys_part[] = {
    { "type", "word", "The type, PLUGIN or PLUGIN/NAME" },
    { "at", "value", "Devices: the address of the region, a list of them, or a mapping by region" },
    { "repeat", "number", "Devices: make an array of so many; `i` is the index" },
    { "count", "number", "Processors: make so many; `i` is the index" },
    { "cluster", "number", "Processors: which cluster they are in, 0 if not given" },
    { "when", "condition", "Leave the part out if it is false" },
    { "doc", "text", "One line" },
    { 0 }
};

const pb_key pb_keys_attach[] = {
    { "doc", "text", "One line" },
    { "backend", "mapping or list",
      "The backend that the option adds; of a list, the first whose when is true" },
    { "devices", "mapping", "The devices that it adds, by name" },
    { 0 }
};

const pb_key pb_keys_fdt[] = {
    { "compatible", "list", "What the board is, the most exact word first" }, { 0 }
};

static const char *const threads_choices[] = { "parallel", "round-robin", NULL };

const pb_prop pb_props_run[] = {
    { .name = "threads",
      .type = PB_PROP_ENUM,
      PB_MEMBER(pb_plan_run, threads),
      .initial = "parallel",
      .choices = threads_choices,
      .doc = "One thread a processor, or one for all with counted instructions: deterministic" },
    { .name = "reboot",
      .type = PB_PROP_BOOL,
      PB_MEMBER(pb_plan_run, reboot),
      .initial = "true",
      .doc = "Whether a reset starts the machine again; otherwise it ends the run" },
    { .name = "ns-per-instruction",
      .type = PB_PROP_UINT,
      PB_MEMBER(pb_plan_run, ns_per_instruction),
      .initial = "1",
      .min = 1,
      .max = 1000000,
      .doc = "Machine time of an instruction, with threads: round-robin" },
    { .name = "epoch",
      .type = PB_PROP_STRING,
      PB_MEMBER(pb_plan_run, epoch),
      .initial = "",
      .doc = "The calendar at power-on: seconds since 1970, or host" },
    { .name = "seed",
      .type = PB_PROP_STRING,
      PB_MEMBER(pb_plan_run, seed),
      .initial = "",
      .doc = "Number that the guest's random seed is made from, or host" },
    { 0 }
};

static const char *const rule_choices[] = { "error", "zeros", "ones", NULL };
static const char *const rom_choices[] = { "ignored", "error", NULL };

const pb_prop pb_props_bus[] = { { .name = "unassigned",
                                   .type = PB_PROP_ENUM,
                                   PB_MEMBER(pb_plan_bus, unassigned),
                                   .initial = "error",
                                   .choices = rule_choices,
                                   .doc =
                                       "Where nobody is: a bus error, or reads as zeros or ones" },
                                 { .name = "wrong-size",
                                   .type = PB_PROP_ENUM,
                                   PB_MEMBER(pb_plan_bus, wrong_size),
                                   .initial = "error",
                                   .choices = rule_choices,
                                   .doc = "Sizes and alignments that a device does not take" },
                                 { .name = "rom-writes",
                                   .type = PB_PROP_ENUM,
                                   PB_MEMBER(pb_plan_bus, rom_writes),
                                   .initial = "ignored",
                                   .choices = rom_choices,
                                   .doc = "Writes to ROM" },
                                 { 0 } };

const pb_prop pb_props_fdt[] = {
    { .name = "model",
      .type = PB_PROP_STRING,
      PB_MEMBER(pb_plan_fdt, model),
      .initial = "",
      .doc = "The board's name; its first compatible string if not given" },
    { .name = "clock",
      .type = PB_PROP_HZ,
      PB_MEMBER(pb_plan_fdt, clock_hz),
      .initial = "24MHz",
      .min = 1,
      .max = UINT32_MAX,
      .doc = "Frequency of the fixed clock that devices refer to" },
    { .name = "stdout",
      .type = PB_PROP_STRING,
      PB_MEMBER(pb_plan_fdt, stdout_path),
      .initial = "",
      .doc = "The part that is the console" },
    { 0 }
};

/* ---- the plan -------------------------------------------------------------------------------- */

static void free_part(gpointer data)
{
    pb_plan_part *part = data;

    if (!part)
        return;
    g_free(part->path);
    g_free(part->name);
    g_free(part->type);
    g_array_unref(part->props);
    g_array_unref(part->mappings);
    g_free(part);
}

static void free_memory(gpointer data)
{
    pb_plan_memory *memory = data;

    g_free(memory->name);
    g_free(memory->file);
    g_free(memory);
}

static pb_plan *new_plan(void)
{
    pb_plan *plan = g_new0(pb_plan, 1);

    plan->parts = g_ptr_array_new_with_free_func(free_part);
    plan->memories = g_ptr_array_new_with_free_func(free_memory);
    plan->wires = g_array_new(FALSE, FALSE, sizeof(pb_plan_wire));
    return plan;
}

void pb_plan_free(pb_plan *plan)
{
    if (!plan)
        return;
    g_free(plan->name);
    g_free(plan->doc);
    g_ptr_array_unref(plan->parts);
    free_part(plan->accel);
    g_ptr_array_unref(plan->memories);
    g_array_unref(plan->wires);
    g_free(plan->run.epoch);
    g_free(plan->run.seed);
    g_strfreev(plan->fdt.compatible);
    g_free(plan->fdt.model);
    g_free(plan->fdt.stdout_path);
    g_free(plan);
}

const char *pb_plan_part_text(const pb_plan_part *part, const pb_prop *row)
{
    for (unsigned i = part->props->len; i > 0; i--) { /* the last one counts */
        const pb_plan_prop *prop = &g_array_index(part->props, pb_plan_prop, i - 1);

        if (prop->row == row)
            return prop->texts[0];
    }
    return row->initial;
}

uint64_t pb_plan_part_number(const pb_plan_part *part, uint32_t offset)
{
    for (const pb_prop *row = part->class->props; row && row->name; row++) {
        const char *text;
        uint64_t number = 0;

        if (row->offset != offset)
            continue;
        text = pb_plan_part_text(part, row);
        return text && pb_property_check(row, text, &number, NULL) ? number : 0;
    }
    return 0;
}

uint32_t pb_plan_port_count(const pb_plan_part *part, const pb_port *port)
{
    if (port->count_offset)
        return (uint32_t)MIN(pb_plan_part_number(part, port->count_offset - 1), 65536);
    return port->count ? port->count : 1;
}

bool pb_port_is_array(const pb_port *port)
{
    return port->count_offset || port->count;
}

bool pb_port_is_line(const pb_port *port)
{
    return strcmp(port->protocol, PB_PROTOCOL_IRQ) == 0 ||
           strcmp(port->protocol, PB_PROTOCOL_GPIO) == 0;
}

char *pb_plan_port_text(const pb_plan_part *part, const pb_port *port, uint32_t index)
{
    if (pb_port_is_array(port))
        return g_strdup_printf("%s.%s[%u]", part->path, port->name, index);
    return g_strconcat(part->path, ".", port->name, NULL);
}

pb_plan_part *pb_plan_find(const pb_plan *plan, const char *path)
{
    for (unsigned i = 0; i < plan->parts->len; i++) {
        pb_plan_part *part = g_ptr_array_index(plan->parts, i);

        if (strcmp(part->path, path) == 0)
            return part;
    }
    return NULL;
}

/* ---- sections of the machine ----------------------------------------------------------------- */

static char *top_text(composer *c, const char *key)
{
    const pb_yaml_node *node = pb_yaml_get(c->root, key);

    return node && compose_is_scalar(c, node, "a text") ? g_strdup(node->text) : NULL;
}

static void compose_top(composer *c)
{
    compose_known_keys(c, c->root, pb_keys_machine, "in a machine");
    c->plan->name = top_text(c, "machine");
    c->plan->doc = top_text(c, "doc");
    if (!c->plan->name) {
        if (!pb_yaml_get(c->root, "machine"))
            pb_diag_error(c->diags, c->root->mark, "'machine' is missing: the machine's name");
        c->plan->name = g_strdup("?");
    }
}

/* `epoch` and `seed` are numbers or the word "host". */
static void check_number_or_host(composer *c, const pb_yaml_node *run, const char *key,
                                 pb_prop_type type, const char *text)
{
    const pb_yaml_node *node = pb_yaml_get(run, key);
    const pb_prop row = { .name = key, .type = type, .width = 8 };
    g_autoptr(GError) error = NULL;

    if (!text)
        return;
    if (strcmp(text, "host") != 0) {
        if (!pb_property_check(&row, text, NULL, &error))
            pb_diag_error(c->diags, node->mark, "%s, or the word host", error->message);
    } else if (c->plan->run.threads == PB_THREADS_ROUND_ROBIN) {
        pb_diag_error(c->diags, node->mark, "with threads: round-robin '%s' must be a number", key);
    }
}

static void compose_run(composer *c)
{
    const pb_yaml_node *run = pb_yaml_get(c->root, "run");

    if (run && !compose_is_mapping(c, run, "a mapping (threads:, ...)"))
        run = NULL;
    compose_record(c, c->globals, run, "in run", pb_props_run, NULL, &c->plan->run);
    if (c->options->no_reboot)
        c->plan->run.reboot = false;
    if (c->options->deterministic)
        c->plan->run.threads = PB_THREADS_ROUND_ROBIN;
    check_number_or_host(c, run, "epoch", PB_PROP_INT, c->plan->run.epoch);
    check_number_or_host(c, run, "seed", PB_PROP_UINT, c->plan->run.seed);
}

static void compose_bus(composer *c)
{
    const pb_yaml_node *bus = pb_yaml_get(c->root, "bus");

    if (bus && !compose_is_mapping(c, bus, "a mapping (unassigned:, ...)"))
        bus = NULL;
    compose_record(c, c->globals, bus, "in bus", pb_props_bus, NULL, &c->plan->bus);
}

static char **compose_compatible(composer *c, const pb_yaml_node *node)
{
    g_autoptr(GStrvBuilder) texts = g_strv_builder_new();
    bool list = node->kind == PB_YAML_SEQUENCE;

    for (unsigned i = 0; i < (list ? node->n_entries : 1); i++) {
        g_autofree char *text = compose_text(c, c->globals, list ? node->entries[i].value : node,
                                             "a compatible string");

        if (text)
            g_strv_builder_add(texts, text);
    }
    return g_strv_builder_end(texts);
}

static void compose_fdt(composer *c)
{
    const pb_yaml_node *fdt = pb_yaml_get(c->root, "fdt");
    const pb_yaml_node *compatible = pb_yaml_get(fdt, "compatible");

    if (!fdt || !compose_is_mapping(c, fdt, "a mapping (compatible:, ...)"))
        return;
    c->plan->fdt.mark = fdt->mark;
    compose_record(c, c->globals, fdt, "in fdt", pb_props_fdt, pb_keys_fdt, &c->plan->fdt);
    if (compatible)
        c->plan->fdt.compatible = compose_compatible(c, compatible);
    else
        pb_diag_error(c->diags, fdt->mark, "'compatible' is missing in fdt: what the board is");
    if (c->plan->fdt.stdout_path && !g_hash_table_contains(c->by_name, c->plan->fdt.stdout_path))
        pb_diag_error(c->diags, pb_yaml_get(fdt, "stdout")->mark, "there is no part '%s'",
                      c->plan->fdt.stdout_path);
}

/* The tree with the section `accel` that an option asks for. */
static const pb_yaml_node *override_accel(composer *c, const pb_yaml_node *root)
{
    pb_mark mark = pb_mark_option("--accel");
    g_autofree char *word = NULL;
    g_auto(GStrv) pieces = compose_split_option(c, "--accel", c->options->accel, &word);
    pb_yaml_node *changed = pb_yaml_mapping(c->yaml, root->mark);
    pb_yaml_node *accel = pb_yaml_mapping(c->yaml, mark);

    if (!pieces)
        return root;
    if (!word) {
        pb_diag_error(c->diags, mark, "'%s' names no accelerator", c->options->accel);
        return root;
    }
    pb_yaml_add(c->yaml, accel, pb_yaml_scalar(c->yaml, mark, "type", true),
                pb_yaml_scalar(c->yaml, mark, word, false));
    for (char **piece = pieces; *piece; piece += 2) {
        if (pb_yaml_find(accel, piece[0]))
            pb_diag_error(c->diags, mark, "'%s' is given twice", piece[0]);
        else
            pb_yaml_add(c->yaml, accel, pb_yaml_scalar(c->yaml, mark, piece[0], true),
                        pb_yaml_scalar(c->yaml, mark, piece[1], false));
    }
    for (unsigned i = 0; i < root->n_entries; i++) {
        if (strcmp(root->entries[i].key->text, "accel") != 0)
            pb_yaml_add(c->yaml, changed, root->entries[i].key, root->entries[i].value);
    }
    pb_yaml_add(c->yaml, changed, pb_yaml_scalar(c->yaml, mark, "accel", true), accel);
    return changed;
}

static void free_source(gpointer data)
{
    pb_scope_free(((source_part *)data)->scope);
    g_free(data);
}

static void free_array(gpointer data)
{
    g_ptr_array_unref(((part_array *)data)->elements);
    g_free(data);
}

pb_plan *pb_plan_compose(pb_yaml *yaml, const pb_yaml_node *root, const pb_plan_options *options,
                         const pb_catalog *catalog, pb_diags *diags)
{
    composer c = { .plan = new_plan(),
                   .yaml = yaml,
                   .root = root,
                   .catalog = catalog,
                   .options = options,
                   .diags = diags };

    c.globals = pb_scope_new(NULL);
    c.parts = g_ptr_array_new_with_free_func(free_source);
    c.by_name = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_array);
    c.left_out = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    c.connected = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    c.first_free = g_ptr_array_new();

    if (options->accel)
        c.root = override_accel(&c, root);
    compose_top(&c);
    compose_parameters(&c);
    compose_asserts(&c);
    compose_run(&c);
    compose_bus(&c);
    compose_sections(&c);
    compose_memory(&c);
    compose_fdt(&c);
    for (unsigned i = 0; i < c.parts->len; i++)
        compose_contents(&c, g_ptr_array_index(c.parts, i));
    /* Counts of ports are known now. */
    for (unsigned i = 0; i < c.parts->len; i++)
        compose_wires(&c, g_ptr_array_index(c.parts, i));
    compose_first_free(&c);
    compose_lint(&c);

    g_ptr_array_unref(c.first_free);
    g_hash_table_unref(c.connected);
    g_hash_table_unref(c.left_out);
    g_hash_table_unref(c.by_name);
    g_ptr_array_unref(c.parts);
    pb_scope_free(c.globals);
    return c.plan;
}
