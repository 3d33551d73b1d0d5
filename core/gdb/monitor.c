/* gdb's `monitor`: commands for the stub and for the machine, in words. */
#include <core/gdb/internal.h>

typedef struct monitor_command {
    const char *name, *arguments, *doc;
    void (*fn)(pb_gdb *gdb, const char *argument, GString *answer);
    bool machine; /* it means nothing for a program */
} monitor_command;

static const monitor_command commands[];

/* ---- settings ------------------------------------------------------------------------------------------ */

static void set_switch(bool *which, const char *argument, const char *name, GString *answer)
{
    if (strcmp(argument, "on") == 0)
        *which = true;
    else if (strcmp(argument, "off") == 0)
        *which = false;
    else if (*argument)
        g_string_append(answer, "'on' or 'off' is expected\n");
    g_string_append_printf(answer, "%s: %s\n", name, *which ? "on" : "off");
}

static void set_physical(pb_gdb *gdb, const char *argument, GString *answer)
{
    set_switch(&gdb->physical, argument, "physical", answer);
}

static void set_interrupts(pb_gdb *gdb, const char *argument, GString *answer)
{
    set_switch(&gdb->interrupts, argument, "step-interrupts", answer);
}

/* ---- the machine --------------------------------------------------------------------------------------- */

static void reset(pb_gdb *gdb, const char *argument, GString *answer)
{
    if (!gdb->host.reset) {
        g_string_append(answer, "this cannot be reset\n");
        return;
    }
    gdb->host.reset(gdb->host.opaque);
    g_string_append(answer, "the machine is reset before it goes on\n");
}

static void save(pb_gdb *gdb, const char *argument, GString *answer)
{
    g_autoptr(GError) error = NULL;

    if (!gdb->host.save)
        g_string_append(answer, "there are no snapshots of this\n");
    else if (!*argument)
        g_string_append(answer, "save: a file is expected\n");
    else if (!gdb_registers_settle(gdb))
        g_string_append(answer, "save: registers have values that are impossible\n");
    else if (gdb->host.save(gdb->host.opaque, argument, &error))
        g_string_append_printf(answer, "saved to %s\n", argument);
    else
        g_string_append_printf(answer, "save: %s\n", error->message);
}

static void end(pb_gdb *gdb, const char *argument, GString *answer)
{
    if (!gdb->host.end) {
        g_string_append(answer, "this cannot be ended\n");
        return;
    }
    gdb->host.end(gdb->host.opaque);
    g_string_append(answer, "the run ends when it goes on\n");
}

/* ---- info ---------------------------------------------------------------------------------------------- */

static void show_cpus(pb_gdb *gdb, GString *answer)
{
    for (uint32_t i = 0; i < pb_cpus_count(gdb->host.cpus); i++) {
        pb_vcpu *vcpu = pb_cpus_at(gdb->host.cpus, i);

        g_string_append_printf(answer, "%s cpu%u: %s, pc 0x%016" G_GINT64_MODIFIER "x, %s",
                               vcpu == gdb_cpu(gdb) ? "*" : " ", vcpu->index, vcpu->type->head.name,
                               pb_debug_pc(vcpu),
                               !vcpu->ops->powered(vcpu) ? "off"
                               : pb_debug_idles(vcpu)    ? "waits for an interrupt"
                                                         : "runs");
        if (pb_vcpu_cluster(vcpu) > 0)
            g_string_append_printf(answer, ", cluster %u", pb_vcpu_cluster(vcpu));
        g_string_append_c(answer, '\n');
    }
}

static void show_memory(pb_gdb *gdb, GString *answer)
{
    pb_range range;

    pb_sched_lock_devices(gdb->host.sched);
    for (uint64_t at = 0; pb_space_next(gdb->host.memory, at, &range); at = range.last + 1) {
        g_string_append_printf(
            answer, "0x%016" G_GINT64_MODIFIER "x-0x%016" G_GINT64_MODIFIER "x %-6s %s\n",
            range.first, range.last, gdb_range_kind(&range), pb_bus_region_name(range.region));
        if (range.last == UINT64_MAX)
            break;
    }
    pb_sched_unlock_devices(gdb->host.sched);
}

static void show_devices(pb_gdb *gdb, GString *answer)
{
    if (gdb->host.devices)
        gdb->host.devices(gdb->host.opaque, answer);
}

static void append_number(void *to, const char *name, uint64_t value)
{
    g_string_append_printf(to, "%s: %" G_GUINT64_FORMAT "\n", name, value);
}

static void show_statistics(pb_gdb *gdb, GString *answer)
{
    if (gdb->host.statistics)
        gdb->host.statistics(gdb->host.opaque, append_number, answer);
}

static void show_points(pb_gdb *gdb, GString *answer)
{
    static const char *const names[GDB_POINT_KINDS] = { "breakpoint", "hardware breakpoint",
                                                        "watchpoint (writes)", "watchpoint (reads)",
                                                        "watchpoint (accesses)" };

    for (unsigned i = 0; i < gdb->points->len; i++) {
        const gdb_point *p = &g_array_index(gdb->points, gdb_point, i);

        g_string_append_printf(answer, "0x%016" G_GINT64_MODIFIER "x %s", p->gva, names[p->kind]);
        if (p->process > 0)
            g_string_append_printf(answer, ", process %u", p->process);
        g_string_append_c(answer, '\n');
    }
}

static const struct {
    const char *name;
    void (*show)(pb_gdb *gdb, GString *answer);
    bool machine; /* as above */
} infos[] = {
    { "cpus", show_cpus, true },
    { "memory", show_memory, true },
    { "devices", show_devices, true },
    { "points", show_points, false },
    { "statistics", show_statistics, false },
};

static bool is_meant(const pb_gdb *gdb, bool machine)
{
    return !machine || !gdb->host.program;
}

static void refuse(const char *what, GString *answer)
{
    g_string_append_printf(answer, "'%s' is of machines, and this is a program\n", what);
}

static void append_infos(const pb_gdb *gdb, const char *between, GString *answer)
{
    const char *before = "";

    for (unsigned i = 0; i < G_N_ELEMENTS(infos); i++) {
        if (!is_meant(gdb, infos[i].machine))
            continue;
        g_string_append_printf(answer, "%s%s", before, infos[i].name);
        before = between;
    }
}

static void info(pb_gdb *gdb, const char *argument, GString *answer)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(infos); i++) {
        if (strcmp(argument, infos[i].name) != 0)
            continue;
        if (is_meant(gdb, infos[i].machine))
            infos[i].show(gdb, answer);
        else
            refuse(argument, answer);
        return;
    }
    g_string_append(answer, "info: ");
    append_infos(gdb, " ", answer);
    g_string_append(answer, "\n");
}

/* ---- the table ----------------------------------------------------------------------------------------- */

static void help(pb_gdb *gdb, const char *argument, GString *answer)
{
    for (const monitor_command *c = commands; c->name; c++) {
        g_autoptr(GString) head = g_string_new(c->name);

        if (!is_meant(gdb, c->machine))
            continue;
        g_string_append_c(head, ' ');
        if (c->fn == info)
            append_infos(gdb, "|", head);
        else
            g_string_append(head, c->arguments);
        g_string_append_printf(answer, "%-26s %s\n", head->str, c->doc);
    }
}

static const monitor_command commands[] = {
    { "help", "", "this list", help, false },
    { "physical", "[on|off]", "addresses are physical ones", set_physical, true },
    { "step-interrupts", "[on|off]", "steps go into handlers of interrupts", set_interrupts, true },
    { "info", NULL, "show it", info, false },
    { "reset", "", "reset the machine", reset, true },
    { "save", "FILE", "save a snapshot", save, true },
    { "quit", "", "end the run", end, true },
    { 0 },
};

void gdb_monitor(pb_gdb *gdb, const char *line, GString *answer)
{
    g_autofree char *text = g_strstrip(g_strdup(line));
    gsize n = strcspn(text, " ");
    g_autofree char *name = g_strndup(text, n);

    for (const monitor_command *c = commands; c->name; c++) {
        if (strcmp(name, c->name) != 0)
            continue;
        if (is_meant(gdb, c->machine))
            c->fn(gdb, g_strstrip(text + n), answer);
        else
            refuse(name, answer);
        return;
    }
    g_string_append_printf(answer, "'%s' is not known: see 'monitor help'\n", name);
}
