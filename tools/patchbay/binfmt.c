/*
 * `patchbay binfmt`: how the kernel is told to run programs of other processors with this one; and what happens when it does.
 *
 * Sources: Linux, Documentation/admin-guide/binfmt-misc.rst, fs/binfmt_misc.c; binfmt.d(5); update-binfmts(8), "FORMAT FILES".
 *
 * The kernel can name no arguments, so the interpreter is the link patchbay-ARCHITECTURE, or patchbay-ARCHITECTURE-static. It calls it with its own
 * name, the program's path, with flag P the name that the program was called by, and the program's arguments. That the name
 * is there is told by a bit of AT_FLAGS, since Linux 5.12.
 *
 * Left out: flags O and C. A program is opened by its name, so it must be readable, and rights of setuid programs are not
 * given to an emulator, which much in the environment has influence on.
 */
#include "command.h"

#include <core/machine/source.h>
#include <core/user/user.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

#define PREFIX           "patchbay-"
#define SUFFIX           "-static" /* of the program that needs no other file */
#define MOST_INTERPRETER 127       /* the kernel's */

#ifndef AT_FLAGS_PRESERVE_ARGV0
#define AT_FLAGS_PRESERVE_ARGV0 1
#endif

/* ---- called by the kernel --------------------------------------------------------------------- */

bool is_run_by_kernel(const char *name)
{
    g_autofree char *base = g_path_get_basename(name);
    uint8_t magic[PB_USER_MAGIC], mask[PB_USER_MAGIC];

    if (g_str_has_suffix(base, SUFFIX))
        base[strlen(base) - strlen(SUFFIX)] = '\0';
    return g_str_has_prefix(base, PREFIX) && pb_user_magic(base + strlen(PREFIX), magic, mask);
}

int run_by_kernel(int argc, char **argv)
{
    bool named = (getauxval(AT_FLAGS) & AT_FLAGS_PRESERVE_ARGV0) && argc > 2;
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    g_autofree char *name = named ? g_strconcat("--argv0=", argv[2], NULL) : NULL;

    if (getauxval(AT_SECURE))
        return complain(PB_USER_ERROR_CANNOT, "programs with rights of others are not run");
    g_ptr_array_add(words, (gpointer) "user");
    if (name)
        g_ptr_array_add(words, name);
    g_ptr_array_add(words, (gpointer) "--");
    for (int i = 1; i < argc; i++) {
        if (!named || i != 2)
            g_ptr_array_add(words, argv[i]);
    }
    g_ptr_array_add(words, NULL);
    return command_user((int)words->len - 1, (char **)words->pdata);
}

/* ---- files ------------------------------------------------------------------------------------ */

typedef struct binfmt_options {
    char *interpreter, *flags, *form, *folder;
} binfmt_options;

static void add_bytes(GString *text, const uint8_t bytes[PB_USER_MAGIC])
{
    for (unsigned i = 0; i < PB_USER_MAGIC; i++)
        g_string_append_printf(text, "\\x%02x", bytes[i]);
}

/* A line for /proc/sys/fs/binfmt_misc/register, which binfmt.d has too. */
static void add_line(GString *text, const char *architecture, const binfmt_options *o,
                     const uint8_t *magic, const uint8_t *mask, const char *interpreter)
{
    g_string_append_printf(text, ":" PREFIX "%s:M::", architecture);
    add_bytes(text, magic);
    g_string_append_c(text, ':');
    add_bytes(text, mask);
    g_string_append_printf(text, ":%s:%s\n", interpreter, o->flags);
}

static const char *yes_or_no(const binfmt_options *o, char flag)
{
    return strchr(o->flags, flag) ? "yes" : "no";
}

/* For update-binfmts --import. */
static void add_format(GString *text, const char *architecture, const binfmt_options *o,
                       const uint8_t *magic, const uint8_t *mask, const char *interpreter)
{
    g_string_append_printf(text, "package patchbay\ninterpreter %s\nmagic ", interpreter);
    add_bytes(text, magic);
    g_string_append(text, "\noffset 0\nmask ");
    add_bytes(text, mask);
    g_string_append_printf(text, "\ncredentials no\npreserve %s\nfix_binary %s\n",
                           yes_or_no(o, 'P'), yes_or_no(o, 'F'));
}

static const struct form {
    const char *name, *suffix;
    void (*add)(GString *text, const char *architecture, const binfmt_options *o,
                const uint8_t *magic, const uint8_t *mask, const char *interpreter);
} forms[] = {
    { "systemd", ".conf", add_line },
    { "debian", "", add_format },
};

static const struct form *find_form(const char *name)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(forms); i++) {
        if (strcmp(forms[i].name, name) == 0)
            return &forms[i];
    }
    return NULL;
}

/* The link beside this program. */
static char *default_interpreter(const char *architecture)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *folder = g_path_get_dirname(self ? self : "/usr/bin/patchbay");

    return g_strconcat(folder, "/" PREFIX, architecture, is_alone ? SUFFIX : "", NULL);
}

static int make_one(const char *architecture, const binfmt_options *o, const struct form *form)
{
    g_autofree char *interpreter =
        o->interpreter ? g_strdup(o->interpreter) : default_interpreter(architecture);
    g_autofree char *machine = g_strconcat("user-", architecture, NULL);
    g_autofree char *hint = NULL;
    g_autofree char *found = pb_source_find(machine, NULL, &hint);
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    uint8_t magic[PB_USER_MAGIC], mask[PB_USER_MAGIC];

    if (!found || !pb_user_magic(architecture, magic, mask))
        return complain(STATUS_USAGE,
                        "binfmt: programs for %s cannot be run: there is no machine '%s'",
                        architecture, machine);
    if (strlen(interpreter) > MOST_INTERPRETER || interpreter[0] != '/' ||
        strpbrk(interpreter, ":\n"))
        return complain(
            STATUS_USAGE,
            "binfmt: the kernel takes no interpreter '%s': it has to be absolute, of at "
            "most %d bytes, without ':'",
            interpreter, MOST_INTERPRETER);
    form->add(text, architecture, o, magic, mask, interpreter);
    if (o->folder) {
        g_autofree char *name = g_strconcat(PREFIX, architecture, form->suffix, NULL);
        g_autofree char *path = g_build_filename(o->folder, name, NULL);

        if (!g_file_set_contents(path, text->str, (gssize)text->len, &error))
            return complain(STATUS_FAILED, "binfmt: %s", error->message);
    } else {
        fputs(text->str, stdout);
    }
    return STATUS_OK;
}

static int make_all(const binfmt_options *o, char **architectures)
{
    static const char *const standard[] = { "aarch64", NULL };
    const struct form *form = find_form(o->form);
    int status = STATUS_OK;

    if (!form)
        return complain(STATUS_USAGE, "binfmt: the form is systemd or debian, not '%s'", o->form);
    if (strspn(o->flags, "PF") != strlen(o->flags))
        return complain(STATUS_USAGE, "binfmt: flags are P and F, not '%s'", o->flags);
    if (!*architectures)
        architectures = (char **)standard;
    for (; *architectures && status == STATUS_OK; architectures++)
        status = make_one(*architectures, o, form);
    return status;
}

int command_binfmt(int argc, char **argv)
{
    binfmt_options o = { 0 };
    GOptionEntry entries[] = {
        { "form", 0, 0, G_OPTION_ARG_STRING, &o.form,
          "systemd: lines of binfmt.d, and for the kernel (if none is given); debian: "
          "update-binfmts",
          "FORM" },
        { "write", 0, 0, G_OPTION_ARG_FILENAME, &o.folder,
          "Write a file for each into FOLDER: patchbay-ARCHITECTURE.conf, or without .conf for "
          "debian",
          "FOLDER" },
        { "interpreter", 0, 0, G_OPTION_ARG_FILENAME, &o.interpreter,
          "patchbay-ARCHITECTURE, or patchbay-ARCHITECTURE-static, where it will be; if not given, "
          "beside this program",
          "PATH" },
        { "flags", 0, 0, G_OPTION_ARG_STRING, &o.flags,
          "P: programs see the name that they were called by; F: the kernel opens the interpreter "
          "at "
          "once; PF if not given",
          "FLAGS" },
        { 0 }
    };
    g_autofree char *doc = g_strdup_printf(
        "Tells how the kernel's binfmt_misc is to run programs of other processors, "
        "aarch64 if none is given.\n"
        "As root: %s binfmt > /proc/sys/fs/binfmt_misc/register",
        help.name);
    int status;

    if (parse_options("binfmt", entries, &o, doc, &argc, &argv, &status)) {
        if (!o.form)
            o.form = g_strdup("systemd");
        if (!o.flags)
            o.flags = g_strdup("PF");
        status = make_all(&o, argv + 1);
    }
    g_free(o.form);
    g_free(o.folder);
    g_free(o.interpreter);
    g_free(o.flags);
    return status;
}
