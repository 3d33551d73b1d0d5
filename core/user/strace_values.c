/* How --strace shows numbers, by their names, and texts. The forms are those of strace(1), here and in the files of chapters. */
#include <core/user/strace_show.h>

#include <fcntl.h>

/* ---- numbers --------------------------------------------------------------------------------------------- */

void pb_strace_bits(GString *text, const pb_strace_name *names, uint64_t value, const char *unknown)
{
    gsize start = text->len;

    for (const pb_strace_name *n = names; n->name; n++) {
        if (n->value == value && value == 0) {
            g_string_append(text, n->name);
            return;
        }
        if (n->value && (value & n->value) == n->value) {
            g_string_append_printf(text, "%s%s", text->len > start ? "|" : "", n->name);
            value &= ~n->value;
        }
    }
    if (value == 0 && text->len > start)
        return;
    if (text->len > start)
        g_string_append_printf(text, "|%#" G_GINT64_MODIFIER "x", value);
    else if (unknown && value)
        g_string_append_printf(text, "%#" G_GINT64_MODIFIER "x /* %s */", value, unknown);
    else
        g_string_append_printf(text, value ? "%#" G_GINT64_MODIFIER "x" : "0", value);
}

void pb_strace_number(GString *text, const pb_strace_name *names, uint64_t value,
                      const char *unknown)
{
    for (const pb_strace_name *n = names; n->name; n++) {
        if (n->value == value) {
            g_string_append(text, n->name);
            return;
        }
    }
    g_string_append_printf(text, value ? "%#" G_GINT64_MODIFIER "x" : "0", value);
    if (unknown)
        g_string_append_printf(text, " /* %s */", unknown);
}

void pb_strace_show_bits(view *v, const shape *s, uint64_t value)
{
    pb_strace_bits(v->text, s->names, (uint32_t)value, s->unknown);
}

void pb_strace_show_number(view *v, const shape *s, uint64_t value)
{
    pb_strace_number(v->text, s->names, (uint32_t)value, s->unknown);
}

static void show_d(view *v, const shape *s, uint64_t value)
{
    print(v, "%d", (int32_t)value);
}

static void show_ld(view *v, const shape *s, uint64_t value)
{
    print(v, "%" G_GINT64_FORMAT, (int64_t)value);
}

static void show_u(view *v, const shape *s, uint64_t value)
{
    print(v, "%u", (uint32_t)value);
}

static void show_lu(view *v, const shape *s, uint64_t value)
{
    print(v, "%" G_GUINT64_FORMAT, value);
}

static void show_x(view *v, const shape *s, uint64_t value)
{
    print(v, value ? "%#" G_GINT64_MODIFIER "x" : "0", value);
}

static void show_pointer(view *v, const shape *s, uint64_t value)
{
    show_address(v, value);
}

static void show_mode(view *v, const shape *s, uint64_t value)
{
    print(v, "%#03o", (uint32_t)value);
}

static void show_dirfd(view *v, const shape *s, uint64_t value)
{
    if ((int32_t)value == AT_FDCWD)
        add(v, "AT_FDCWD");
    else
        print(v, "%d", (int32_t)value);
}

static void show_nothing(view *v, const shape *s, uint64_t value)
{
    v->skip = true;
}

static void show_fds(view *v, const shape *s, uint64_t value)
{
    int fds[2];

    if (take(v, s, value, fds, sizeof(fds)))
        print(v, "[%d, %d]", fds[0], fds[1]);
}

static void show_out_int(view *v, const shape *s, uint64_t value)
{
    int n;

    if (take(v, s, value, &n, sizeof(n)))
        print(v, "[%d]", n);
}

static void show_offset(view *v, const shape *s, uint64_t value)
{
    int64_t n;

    if (take(v, s, value, &n, sizeof(n)))
        print(v, "[%" G_GINT64_FORMAT "]", n);
}

void pb_strace_add_set(pb_strace_view *v, uint64_t gva, uint64_t n)
{
    const char *separator = "";

    add(v, "[");
    for (uint64_t i = 0; i < MIN(n, 1024); i++) {
        uint8_t byte;

        if (get(v, gva + i / 8, &byte, 1) && (byte >> (i % 8) & 1)) {
            print(v, "%s%d", separator, (int)i);
            separator = " ";
        }
    }
    add(v, "]");
}

const pb_strace_shape pb_shape_d = { show_d }, pb_shape_ld = { show_ld }, pb_shape_u = { show_u },
                      pb_shape_lu = { show_lu }, pb_shape_x = { show_x },
                      pb_shape_pointer = { show_pointer }, pb_shape_mode = { show_mode },
                      pb_shape_fd = { show_d }, pb_shape_dirfd = { show_dirfd },
                      pb_shape_nothing = { show_nothing }, pb_shape_fds = { show_fds, true },
                      pb_shape_out_int = { show_out_int, true },
                      pb_shape_out_length = { show_out_int, true },
                      pb_shape_in_offset = { show_offset },
                      pb_shape_out_offset = { show_offset, true };

/* ---- texts ----------------------------------------------------------------------------------------------- */

static void add_octal(GString *text, uint8_t byte, bool digit_follows)
{
    g_string_append_printf(text, digit_follows ? "\\%03o" : "\\%o", byte);
}

void pb_strace_quote(GString *text, const uint8_t *bytes, uint64_t n, bool cut, bool hex)
{
    static const char escapes[] = { ['\t'] = 't', ['\n'] = 'n', ['\v'] = 'v', ['\f'] = 'f',
                                    ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\' };

    g_string_append_c(text, '"');
    for (uint64_t i = 0; i < n; i++) {
        uint8_t c = bytes[i];

        if (hex)
            g_string_append_printf(text, "\\x%02x", c);
        else if (c < sizeof(escapes) && escapes[c])
            g_string_append_printf(text, "\\%c", escapes[c]);
        else if (c >= ' ' && c < 0x7f)
            g_string_append_c(text, (char)c);
        else
            add_octal(text, c, i + 1 < n && g_ascii_isdigit(bytes[i + 1]));
    }
    g_string_append(text, cut ? "\"..." : "\"");
}

void pb_strace_add_bytes(pb_strace_view *v, uint64_t gva, uint64_t n, bool hex)
{
    uint8_t bytes[MOST_BYTES];
    uint64_t shown = MIN(n, MOST_BYTES);

    if (gva && get(v, gva, bytes, shown))
        pb_strace_quote(v->text, bytes, shown, n > shown, hex);
    else
        show_address(v, gva);
}

void pb_strace_add_string(pb_strace_view *v, uint64_t gva, uint64_t most)
{
    uint64_t reach = pb_user_space_reach(v->t->user->space, gva, most + 1, PB_PROT_READ), length;
    g_autofree uint8_t *bytes = g_malloc0(most + 1);

    if (!gva || !reach || !get(v, gva, bytes, reach)) {
        show_address(v, gva);
        return;
    }
    length = strnlen((const char *)bytes, reach);
    if (length == reach && reach <= most) /* it runs out of what is mapped */
        show_address(v, gva);
    else
        pb_strace_quote(v->text, bytes, MIN(length, most), length > most, false);
}

static void show_path(view *v, const shape *s, uint64_t value)
{
    pb_strace_add_string(v, value, MOST_PATH - 1);
}

static void show_text(view *v, const shape *s, uint64_t value)
{
    pb_strace_add_string(v, value, MOST_BYTES);
}

static void show_in(view *v, const shape *s, uint64_t value)
{
    pb_strace_add_bytes(v, value, v->a[s->count], false);
}

static void show_out(view *v, const shape *s, uint64_t value)
{
    if (failed(v))
        show_address(v, value);
    else
        pb_strace_add_bytes(v, value, (uint64_t)v->result, false);
}

static void show_out_hex(view *v, const shape *s, uint64_t value)
{
    if (failed(v))
        show_address(v, value);
    else
        pb_strace_add_bytes(v, value, (uint64_t)v->result, true);
}

static void show_out_text(view *v, const shape *s, uint64_t value)
{
    if (failed(v))
        show_address(v, value);
    else
        pb_strace_add_string(v, value, MOST_PATH - 1);
}

static void show_entries(view *v, const shape *s, uint64_t value)
{
    uint64_t n = 0;
    uint16_t length;

    show_address(v, value);
    if (failed(v))
        return;
    for (uint64_t at = 0; at + 19 <= (uint64_t)v->result; at += length, n++) {
        if (!get(v, value + at + 16, &length, sizeof(length)) || length < 19)
            return;
    }
    print(v, " /* %" G_GUINT64_FORMAT " entries */", n);
}

static void show_strings(view *v, const shape *s, uint64_t value)
{
    uint64_t at = 0;
    const char *separator = "[";

    for (unsigned i = 0;; i++, value += 8) {
        if (!value || !get(v, value, &at, sizeof(at))) {
            if (i == 0) {
                show_address(v, value);
                return;
            }
            break;
        }
        if (at == 0 || i == MOST_MEMBERS) {
            add(v, at ? ", ..." : i ? "" : "[");
            break;
        }
        add(v, separator);
        separator = ", ";
        pb_strace_add_string(v, at, MOST_BYTES);
    }
    add(v, "]");
}

static void show_environment(view *v, const shape *s, uint64_t value)
{
    uint64_t n = 0, at;

    show_address(v, value);
    if (!value)
        return;
    while (n < 131072 && get(v, value + 8 * n, &at, sizeof(at)) && at)
        n++;
    print(v, " /* %" G_GUINT64_FORMAT " var%s */", n, n == 1 ? "" : "s");
}

void pb_strace_texts(GString *text, const char *const *texts)
{
    g_string_append_c(text, '[');
    for (unsigned i = 0; texts[i]; i++) {
        size_t n = strlen(texts[i]);

        g_string_append(text, i ? ", " : "");
        if (i == MOST_MEMBERS) {
            g_string_append(text, "...");
            break;
        }
        pb_strace_quote(text, (const uint8_t *)texts[i], MIN(n, MOST_BYTES), n > MOST_BYTES, false);
    }
    g_string_append_c(text, ']');
}

const pb_strace_shape pb_shape_path = { show_path }, pb_shape_text = { show_text },
                      pb_shape_in1 = { show_in, .count = 2 },
                      pb_shape_in2 = { show_in, .count = 3 }, pb_shape_out = { show_out, true },
                      pb_shape_out_hex = { show_out_hex, true },
                      pb_shape_out_text = { show_out_text, true },
                      pb_shape_entries = { show_entries, true },
                      pb_shape_strings = { show_strings },
                      pb_shape_environment = { show_environment };
