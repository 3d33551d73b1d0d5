#include <core/device/describe.h>
#include <core/device/object.h>
#include <core/plugin/elf_file.h>
#include <core/plugin/manifest.h>
#include <core/plugin/plugin_host.h>
#include <glib/gstdio.h>
#include <tests/unit/runner.h>

/* A plugin that is linked into this program. */
typedef struct built_in {
    uint32_t value;
} built_in;

static const pb_state built_in_state[] = { PB_STATE(built_in, value), { 0 } };

static const pb_device_type built_in_type = {
    .head = { .size = sizeof(pb_device_type),
              .kind = PB_KIND_DEVICE,
              .name = "built-in",
              .doc = "Linked in",
              .instance_size = sizeof(built_in),
              .state = built_in_state },
};

static const pb_plugin built_in_entry = {
    .size = sizeof(pb_plugin),
    .abi_major = PB_ABI_MAJOR,
    .abi_minor = PB_ABI_MINOR,
    .id = "dev-built-in",
    .version = "1",
    .licence = "MIT",
    .doc = "Linked in",
    .types = (const pb_class *const[]){ &built_in_type.head, NULL },
};

static const lt_dlsymlist modules[] = {
    { "@PROGRAM@", NULL },
    { "dev_built_in.a", NULL },
    { "dev_built_in_LTX_pb_plugin_entry", (void *)&built_in_entry },
    { NULL, NULL },
};

static const char *plugin_folder(void)
{
    return g_getenv("PATCHBAY_PLUGIN_PATH");
}

static void fails(pb_plugin_host *host, pb_kind kind, const char *type, int code,
                  const char *message)
{
    g_autoptr(GError) error = NULL;

    CU_ASSERT_PTR_NULL(pb_plugin_host_type(host, kind, type, &error));
    CU_ASSERT_FATAL(error != NULL);
    CU_ASSERT(g_error_matches(error, PB_PLUGIN_ERROR, code));
    CU_ASSERT_STRING_EQUAL(error->message, message);
}

static void words(void)
{
    static const char *const names[] = { "pl011", "pl031", "virtio", NULL };

    CU_ASSERT_STRING_EQUAL(pb_closest_name("pl01", names), "pl011");
    CU_ASSERT_STRING_EQUAL(pb_closest_name("LP031", names), "pl031"); /* a swap */
    CU_ASSERT_STRING_EQUAL(pb_closest_name("vritoi", names), "virtio");
    CU_ASSERT_PTR_NULL(pb_closest_name("elephant", names));
    CU_ASSERT_PTR_NULL(pb_closest_name("", names));
    CU_ASSERT_EQUAL(pb_kind_of_plugin("dev-pl011"), PB_KIND_DEVICE);
    CU_ASSERT_EQUAL(pb_kind_of_plugin("host-disk"), PB_KIND_BACKEND);
    CU_ASSERT_EQUAL(pb_kind_of_plugin("libfoo"), 0);
    CU_ASSERT_EQUAL(pb_kind_of_plugin("dev"), 0);
}

static void types(void)
{
    g_autoptr(pb_plugin_host) host = pb_plugin_host_new(plugin_folder());
    const pb_class *class = pb_plugin_host_type(host, PB_KIND_DEVICE, "pl011", NULL);

    CU_ASSERT_FATAL(class != NULL);
    CU_ASSERT_STRING_EQUAL(class->name, "pl011");
    CU_ASSERT_PTR_EQUAL(pb_plugin_host_type(host, PB_KIND_DEVICE, "pl011/pl011", NULL), class);
    CU_ASSERT_PTR_NOT_NULL(pb_plugin_host_type(host, PB_KIND_DEVICE, "gic/v2", NULL));
}

static void missing(void)
{
    g_autoptr(pb_plugin_host) host = pb_plugin_host_new(plugin_folder());
    g_autoptr(pb_plugin_host) nowhere = pb_plugin_host_new("");
    g_autofree char *message =
        g_strdup_printf("no plugin dev-pl01.so in %s; did you mean dev-pl011?", plugin_folder());

    fails(host, PB_KIND_DEVICE, "pl01", PB_PLUGIN_ERROR_MISSING, message);
    fails(nowhere, PB_KIND_DEVICE, "xyzzy", PB_PLUGIN_ERROR_MISSING,
          "no plugin dev-xyzzy.so in an empty search path");
    fails(host, PB_KIND_DEVICE, "gic/v4", PB_PLUGIN_ERROR_MISSING,
          "plugin dev-gic has no device type 'v4'; it has v2, v3; did you mean 'v2'?");
    fails(host, PB_KIND_DEVICE, "../pl011", PB_PLUGIN_ERROR_NAME,
          "'../pl011' is no type; a type is written NAME or PLUGIN/NAME");
    fails(host, PB_KIND_DEVICE, "a/b/c", PB_PLUGIN_ERROR_NAME,
          "'a/b/c' is no type; a type is written NAME or PLUGIN/NAME");
    fails(host, PB_KIND_DEVICE, "pl011/", PB_PLUGIN_ERROR_NAME,
          "'pl011/' is no type; a type is written NAME or PLUGIN/NAME");
    fails(host, PB_KIND_DEVICE, "", PB_PLUGIN_ERROR_NAME,
          "'' is no type; a type is written NAME or PLUGIN/NAME");
}

static void preloaded(void)
{
    g_autoptr(pb_plugin_host) host = pb_plugin_host_new("");
    g_auto(GStrv) ids = pb_plugin_host_list(host);
    g_autofree char *file = pb_plugin_host_find(host, "dev-built-in");

    CU_ASSERT_STRING_EQUAL(file, "(linked in)");
    CU_ASSERT_PTR_EQUAL(pb_plugin_host_type(host, PB_KIND_DEVICE, "built-in", NULL),
                        &built_in_type.head);
    CU_ASSERT_PTR_EQUAL(pb_plugin_host_describe(host, PB_KIND_DEVICE, "built-in", NULL),
                        &built_in_type.head);
    CU_ASSERT_EQUAL(g_strv_length(ids), 1);
    CU_ASSERT_STRING_EQUAL(ids[0], "dev-built-in");
}

static void listing(void)
{
    g_autofree char *twice =
        g_strdup_printf("%s:%s:/nonexistent", plugin_folder(), plugin_folder());
    g_autoptr(pb_plugin_host) host = pb_plugin_host_new(twice);
    g_auto(GStrv) ids = pb_plugin_host_list(host);

    CU_ASSERT(g_strv_contains((const char *const *)ids, "dev-pl011"));
    CU_ASSERT(g_strv_contains((const char *const *)ids, "host-disk"));
    for (char **id = ids; id[0] && id[1]; id++)
        CU_ASSERT(strcmp(id[0], id[1]) < 0);
}

/* A described type says the same as the opened one, on every page. */
static void manifests(void)
{
    g_autoptr(pb_plugin_host) host = pb_plugin_host_new(plugin_folder());
    g_auto(GStrv) ids = pb_plugin_host_list(host);

    for (char **id = ids; *id; id++) {
        const pb_plugin *opened = pb_plugin_host_open(host, *id, NULL);
        const pb_plugin *described = pb_plugin_host_describe_plugin(host, *id, NULL);

        CU_ASSERT_FATAL(opened && described);
        CU_ASSERT((opened != described) == (strcmp(*id, "dev-built-in") != 0));
        for (uint32_t i = 0; opened->types[i]; i++) {
            g_autoptr(GString) one = g_string_new(NULL);
            g_autoptr(GString) two = g_string_new(NULL);

            pb_describe_type(opened, opened->types[i], one);
            pb_reference_page(opened, opened->types[i], one);
            pb_describe_type(described, described->types[i], two);
            pb_reference_page(described, described->types[i], two);
            CU_ASSERT_STRING_EQUAL(one->str, two->str);
        }
    }
}

/* A folder of its own with a plugin's file in it, and a manifest of this text. */
static char *folder_with(const char *manifest)
{
    g_autofree char *folder = g_dir_make_tmp("patchbay-XXXXXX", NULL);
    g_autofree char *from = g_build_filename(plugin_folder(), "dev-pl011.so", NULL);
    g_autofree char *to = g_build_filename(folder, "dev-pl011.so", NULL);
    g_autofree char *json = g_build_filename(folder, "dev-pl011.json", NULL);

    CU_ASSERT_FATAL(symlink(from, to) == 0);
    CU_ASSERT_FATAL(g_file_set_contents(json, manifest, -1, NULL));
    return g_steal_pointer(&to);
}

static void remove_folder(const char *file)
{
    g_autofree char *folder = g_path_get_dirname(file);
    g_autofree char *json = g_build_filename(folder, "dev-pl011.json", NULL);

    g_unlink(file);
    g_unlink(json);
    g_rmdir(folder);
}

static void stale_manifests(void)
{
    g_autoptr(pb_plugin_host) host = pb_plugin_host_new(plugin_folder());
    const pb_plugin *plugin = pb_plugin_host_open(host, "dev-pl011", NULL);
    g_autofree char *good_file = pb_plugin_host_find(host, "dev-pl011");
    g_autofree char *build_id = NULL;
    g_autofree char *good = NULL;
    g_autofree char *stale = pb_manifest_text(plugin, "00");
    g_autofree char *cut = NULL;
    g_autofree char *deep = g_strnfill(1 << 20, '[');
    const char *texts[6];

    CU_ASSERT_FATAL(pb_elf_check(good_file, &build_id, NULL) && build_id);
    good = pb_manifest_text(plugin, build_id);
    cut = g_strndup(good, strlen(good) / 2);
    texts[0] = stale;
    texts[1] = cut;
    texts[2] = "[]";
    texts[3] = "";
    texts[4] = deep;
    texts[5] = "{\"format\": 18446744073709551617}"; /* 1 with the 64 bits that are kept */
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *file = folder_with(texts[i]);

        CU_ASSERT_PTR_NULL(pb_manifest_read(file));
        remove_folder(file);
    }
}

/* A manifest with any byte changed is used or not; nothing worse happens. */
static void damaged_manifests(void)
{
    g_autoptr(pb_plugin_host) host = pb_plugin_host_new(plugin_folder());
    const pb_plugin *plugin = pb_plugin_host_open(host, "dev-pl011", NULL);
    g_autofree char *good_file = pb_plugin_host_find(host, "dev-pl011");
    g_autofree char *build_id = NULL;
    g_autofree char *good = NULL;
    size_t length;

    CU_ASSERT_FATAL(pb_elf_check(good_file, &build_id, NULL) && build_id);
    good = pb_manifest_text(plugin, build_id);
    length = strlen(good);
    for (size_t at = 0; at < length; at += length / 300 + 1) {
        g_autofree char *wrong = g_strdup(good);
        g_autofree char *file = NULL;

        wrong[at] = "0[{\"9x"[at % 6];
        file = folder_with(wrong);
        pb_manifest_free(pb_manifest_read(file));
        remove_folder(file);
    }
    CU_PASS("no crash");
}

static void missing_rows(void)
{
    g_autoptr(pb_plugin_host) host = pb_plugin_host_new(plugin_folder());
    const pb_plugin *plugin = pb_plugin_host_describe_plugin(host, "dev-pl011", NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    unsigned count = pb_report_missing(plugin->types[0], text);

    CU_ASSERT_EQUAL(count, pb_report_missing(plugin->types[0], NULL));
    CU_ASSERT(count > 5);
    CU_ASSERT_PTR_NOT_NULL(strstr(text->str, "  field UARTCR.SIREN: SIR enable\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text->str, "  register UARTTCR: Test control\n"));
}

int main(void)
{
    static const unit_case cases[] = {
        { "words", words },
        { "types", types },
        { "missing", missing },
        { "preloaded", preloaded },
        { "listing", listing },
        { "manifests", manifests },
        { "stale manifests", stale_manifests },
        { "damaged manifests", damaged_manifests },
        { "missing rows", missing_rows },
        { 0 },
    };

    if (!plugin_folder()) {
        printf("PATCHBAY_PLUGIN_PATH is not set\n");
        return 2;
    }
    pb_plugin_host_preload(modules);
    return unit_run("plugin host", cases);
}
