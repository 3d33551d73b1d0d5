/* Bytes to packets and back: gdb manual, "Overview" of the remote protocol. */
#include <core/gdb/internal.h>

static int digit_of(uint8_t c)
{
    return g_ascii_isxdigit((char)c) ? g_ascii_xdigit_value((char)c) : -1;
}

static void begin(gdb_reader *r)
{
    g_string_truncate(r->packet, 0);
    r->sum = 0;
    r->too_long = false;
    r->state = GDB_INSIDE;
}

static void append(gdb_reader *r, uint8_t byte)
{
    if (r->packet->len < GDB_PACKET)
        g_string_append_c(r->packet, (char)byte);
    else
        r->too_long = true;
}

static gdb_read end(gdb_reader *r, bool check, int low)
{
    r->state = GDB_OUTSIDE;
    if (r->too_long || (check && (low < 0 || r->given != r->sum)))
        return GDB_READ_WRONG;
    return GDB_READ_PACKET;
}

gdb_read gdb_read_byte(gdb_reader *r, bool check, uint8_t byte)
{
    int digit = digit_of(byte);

    switch (r->state) {
    case GDB_OUTSIDE:
        if (byte == '$')
            begin(r);
        return byte == 3 ? GDB_READ_INTERRUPT : byte == '-' ? GDB_READ_NAK : GDB_READ_MORE;
    case GDB_SUM_1:
        r->given = digit < 0 ? (uint8_t)~r->sum : (uint8_t)(digit << 4);
        if (digit >= 0)
            r->state = GDB_SUM_2;
        return digit < 0 ? end(r, check, digit) : GDB_READ_MORE;
    case GDB_SUM_2:
        r->given |= (uint8_t)MAX(digit, 0);
        return end(r, check, digit);
    default:
        break;
    }
    if (byte == '#') {
        r->state = GDB_SUM_1;
        return GDB_READ_MORE;
    }
    if (byte == '$') { /* what was begun before has lost its end */
        begin(r);
        return GDB_READ_MORE;
    }
    r->sum = (uint8_t)(r->sum + byte);
    if (r->state == GDB_ESCAPED) {
        append(r, byte ^ 0x20);
        r->state = GDB_INSIDE;
    } else if (byte == '}') {
        r->state = GDB_ESCAPED;
    } else {
        append(r, byte);
    }
    return GDB_READ_MORE;
}

void gdb_frame(GString *to, const char *data, gsize length)
{
    uint8_t sum = 0;
    gsize first;

    g_string_append_c(to, '$');
    first = to->len;
    for (gsize i = 0; i < length; i++) {
        if (data[i] == '#' || data[i] == '$' || data[i] == '}' || data[i] == '*') {
            g_string_append_c(to, '}');
            g_string_append_c(to, (char)(data[i] ^ 0x20));
        } else {
            g_string_append_c(to, data[i]);
        }
    }
    for (gsize i = first; i < to->len; i++)
        sum = (uint8_t)(sum + (uint8_t)to->str[i]);
    g_string_append_printf(to, "#%02x", sum);
}

void gdb_append_hex(GString *to, const void *bytes, gsize length)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *from = bytes;

    for (gsize i = 0; i < length; i++) {
        g_string_append_c(to, digits[from[i] >> 4]);
        g_string_append_c(to, digits[from[i] & 15]);
    }
}

bool gdb_parse_hex(const char *text, gsize digits, GString *to)
{
    if (digits % 2)
        return false;
    for (gsize i = 0; i < digits; i += 2) {
        int high = digit_of((uint8_t)text[i]), low = digit_of((uint8_t)text[i + 1]);

        if (high < 0 || low < 0)
            return false;
        g_string_append_c(to, (char)(high << 4 | low));
    }
    return true;
}

bool gdb_parse_number(const char **text, uint64_t *number)
{
    const char *from = *text;

    *number = 0;
    for (; digit_of((uint8_t) * *text) >= 0; (*text)++) {
        if (*number >> 60)
            return false;
        *number = *number << 4 | (uint64_t)digit_of((uint8_t) * *text);
    }
    return *text != from;
}

bool gdb_parse_number_to(const char **text, char behind, uint64_t *number)
{
    if (!gdb_parse_number(text, number) || **text != behind)
        return false;
    (*text)++;
    return true;
}
