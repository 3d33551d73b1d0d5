/* core/trace. */
#include "../runner.h"

#include <core/trace/trace.h>
#include <glib/gstdio.h>
#include <patchbay/object.h>
#include <string.h>

static char *file;

static void open_log(void)
{
    pb_trace_reset();
    CU_ASSERT_TRUE_FATAL(pb_trace_open(file, NULL));
}

static void expect_log(const char *expected)
{
    g_autofree char *text = NULL;

    CU_ASSERT_TRUE(pb_trace_close(NULL));
    CU_ASSERT_TRUE_FATAL(g_file_get_contents(file, &text, NULL, NULL));
    if (strcmp(text, expected) != 0)
        printf("\n%s", text);
    CU_ASSERT_STRING_EQUAL(text, expected);
}

static void items(void)
{
    g_autoptr(GError) error = NULL;

    open_log();
    CU_ASSERT_FALSE(pb_trace_wants(PB_LOG_ITEM_GUEST));
    pb_trace_object("uart0", PB_LOG_GUEST, "not wanted");
    pb_trace_object("uart0", PB_LOG_WARNING, "always");
    pb_trace_object("serial0", PB_LOG_NOTICE, "too");
    CU_ASSERT_TRUE(pb_trace_log_items("guest,mmio", &error));
    CU_ASSERT_TRUE(pb_trace_wants(PB_LOG_ITEM_GUEST));
    CU_ASSERT_TRUE(pb_trace_wants(PB_LOG_ITEM_MMIO));
    CU_ASSERT_FALSE(pb_trace_wants(PB_LOG_ITEM_UNIMP));
    pb_trace_object("uart0", PB_LOG_GUEST, "wanted");
    pb_trace_object("uart0", PB_LOG_UNIMP, "not wanted");
    pb_trace_line("line %d", 3);
    CU_ASSERT_FALSE(pb_trace_log_items("guest,gast", &error));
    CU_ASSERT_STRING_EQUAL(error->message,
                           "there is no log item 'gast'; there are guest, unimp, int, mmio, "
                           "exec, in_asm, ir, passes, code, info");
    expect_log("uart0: warning: always\nserial0: too\nuart0: wanted\nline 3\n");
}

static void repetitions(void)
{
    GString *expected = g_string_new(NULL);

    open_log();
    CU_ASSERT_TRUE(pb_trace_log_items("guest", NULL));
    for (int i = 0; i < 100; i++)
        pb_trace_object("a", PB_LOG_GUEST, "again");
    pb_trace_object("b", PB_LOG_GUEST, "again");
    for (int i = 0; i < 10; i++)
        g_string_append(expected, "a: again\n");
    g_string_append(expected,
                    "a: again (16 times)\na: again (32 times)\na: again (64 times)\nb: again\n");
    expect_log(expected->str);
    g_string_free(expected, TRUE);
}

/* As many different lines as one likes take bounded memory, and all are written. */
static void many_texts(void)
{
    GString *expected = g_string_new(NULL);

    open_log();
    CU_ASSERT_TRUE(pb_trace_log_items("guest", NULL));
    for (int i = 0; i < 20000; i++) {
        g_autofree char *text = g_strdup_printf("%d", i);

        pb_trace_object("a", PB_LOG_GUEST, text);
        g_string_append_printf(expected, "a: %d\n", i);
    }
    expect_log(expected->str);
    g_string_free(expected, TRUE);
}

static void events(void)
{
    open_log();
    CU_ASSERT_FALSE(pb_trace_event_on("pl011.send"));
    pb_trace_patterns("pl011.*,*.res?t");
    CU_ASSERT_TRUE(pb_trace_event_on("pl011.send"));
    CU_ASSERT_TRUE(pb_trace_event_on("pl011.send"));
    CU_ASSERT_TRUE(pb_trace_event_on("gic.reset"));
    CU_ASSERT_FALSE(pb_trace_event_on("gic.send"));
    pb_trace_patterns("gic.s*");
    CU_ASSERT_TRUE(pb_trace_event_on("gic.send"));
    pb_trace_event("uart0", "pl011.send", "0x41");
    CU_ASSERT_TRUE(pb_trace_log_items("int", NULL));
    CU_ASSERT_TRUE(pb_trace_event_on("arm64.exception"));
    pb_trace_reset();
    CU_ASSERT_FALSE(pb_trace_event_on("pl011.send"));
    expect_log("uart0: pl011.send: 0x41\n");
}

/* A pattern that met nothing is told of at the end, unless it belongs to an item of the log. */
static void unmet_patterns(void)
{
    open_log();
    pb_trace_patterns("pl011.*,gicc.*");
    CU_ASSERT_TRUE(pb_trace_log_items("int", NULL));
    CU_ASSERT_TRUE(pb_trace_event_on("pl011.send"));
    CU_ASSERT_FALSE(pb_trace_event_on("gic.send"));
    expect_log("warning: no event of this run matches the pattern 'gicc.*'\n");
}

static void disassembly(void)
{
    static const uint8_t code[] = { 0x1f, 0x20, 0x03, 0xd5, 0xff, 0xff, 0xff,
                                    0xff, 0xc0, 0x03, 0x5f, 0xd6, 0x11 };
    const pb_cpu_type type = { .capstone = { 1, 0 }, .insn_align = 4 }; /* CS_ARCH_ARM64 */
    g_autoptr(GString) text = g_string_new(NULL);

    pb_trace_disassemble(&type, 0x1000, code, sizeof(code), text);
    CU_ASSERT_STRING_EQUAL(text->str, "0x0000000000001000:  1f2003d5  nop \n"
                                      "0x0000000000001004:  ffffffff  ?\n"
                                      "0x0000000000001008:  c0035fd6  ret \n"
                                      "0x000000000000100c:  11  ?\n");
}

static void wrong_file(void)
{
    g_autoptr(GError) error = NULL;

    CU_ASSERT_FALSE(pb_trace_open("/nonexistent/log", &error));
    CU_ASSERT_STRING_EQUAL(error->message,
                           "cannot write the log '/nonexistent/log': No such file or directory");
}

int main(void)
{
    static const unit_case cases[] = {
        { "items", items },
        { "repetitions", repetitions },
        { "many texts", many_texts },
        { "events", events },
        { "unmet patterns", unmet_patterns },
        { "disassembly", disassembly },
        { "a file that cannot be written", wrong_file },
        { 0 },
    };
    g_autofree char *folder = g_dir_make_tmp("patchbay-trace-XXXXXX", NULL);
    int status;

    file = g_build_filename(folder, "log", NULL);
    status = unit_run("trace", cases);
    pb_trace_reset();
    g_unlink(file);
    g_rmdir(folder);
    g_free(file);
    return status;
}
