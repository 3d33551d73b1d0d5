/*
 * The A64 decoder against objdump.
 *
 * usage: test_a64 WORDS EXCEPTIONS
 *
 * WORDS (a64-words.txt, made by make_words.py) names instruction words: each must belong to a row whose
 * title has the mnemonic, or to no row if objdump knows none. EXCEPTIONS (a64-exceptions.txt) has the
 * differences that are meant, each with its reason. A last part tests rows that depend on features.
 */
#include "a64_decode.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_EXCEPTIONS = 100, MAX_REPORTS = 50, LINE_BYTES = 1000 };

struct a64_ctx {
    bool has_all; /* every feature, or none */
};

typedef struct exception {
    char mnemonic[32], function[32];
    uint32_t mask, value;
    int line, uses;
} exception;

typedef struct results {
    int passed, failed;
} results;

bool a64_has_feature(const a64_ctx *c, a64_feature feature)
{
    return c->has_all;
}

static void fail(results *r, const char *format, uint32_t word, const char *what, const char *row)
{
    if (r->failed++ < MAX_REPORTS)
        printf(format, word, what, row);
}

static int read_exceptions(const char *path, exception *list)
{
    FILE *file = fopen(path, "r");
    char line[LINE_BYTES], reason[LINE_BYTES];
    int count = 0, number = 0;

    if (!file) {
        perror(path);
        exit(1);
    }
    while (fgets(line, sizeof line, file)) {
        exception e = { .line = ++number };

        if (line[0] == '#' || line[0] == '\n')
            continue;
        if (count == MAX_EXCEPTIONS || sscanf(line, "%31s %31s %x %x %999[^\n]", e.mnemonic,
                                              e.function, &e.mask, &e.value, reason) != 5) {
            fprintf(stderr, "%s:%d: not an exception, or one too many\n", path, number);
            exit(1);
        }
        list[count++] = e;
    }
    fclose(file);
    return count;
}

/* Whether the mnemonic, up to a dot, is one of the title's. "LDADD*, SWP (memory)" has LDADDAL and SWP. */
static bool title_has(const char *title, const char *mnemonic)
{
    size_t length = strcspn(mnemonic, ".");

    for (const char *at = title; *at && *at != '('; at++) {
        size_t i = 0;

        while (i < length && toupper((unsigned char)mnemonic[i]) == at[i])
            i++;
        if (i && at[i] == '*')
            return true;
        if (i == length && strchr(", .(", at[i]))
            return true;
        at += strcspn(at, ",(");
        while (at[0] == ',' && at[1] == ' ')
            at++;
        if (!*at || *at == '(')
            return false;
    }
    return false;
}

static bool excepted(exception *list, int count, uint32_t word, const char *mnemonic,
                     const char *row)
{
    for (exception *e = list; e < list + count; e++)
        if ((!strcmp(e->mnemonic, "*") || !strcmp(e->mnemonic, mnemonic)) &&
            !strcmp(e->function, row) && (word & e->mask) == e->value) {
            e->uses++;
            return true;
        }
    return false;
}

static void check_word(results *r, exception *list, int count, uint32_t word, const char *mnemonic)
{
    const a64_ctx all = { .has_all = true };
    int number = a64_find_row(&all, word);
    const char *row = number < 0 ? "-" : a64_rows[number].name;
    bool known = strcmp(mnemonic, "-") != 0;
    bool agree = number < 0 ? !known : known && title_has(a64_rows[number].title, mnemonic);

    if (agree || excepted(list, count, word, mnemonic, row))
        r->passed++;
    else
        fail(r, "%08x: objdump says %s, the decoder %s\n", word, mnemonic, row);
}

static void check_words(results *r, exception *list, int count, const char *path)
{
    FILE *file = fopen(path, "r");
    char line[LINE_BYTES];

    if (!file) {
        perror(path);
        exit(1);
    }
    while (fgets(line, sizeof line, file)) {
        const char *mnemonic = strtok(line, " \n");

        if (!mnemonic || mnemonic[0] == '#')
            continue;
        for (const char *text; (text = strtok(NULL, " \n"));)
            check_word(r, list, count, (uint32_t)strtoul(text, NULL, 16), mnemonic);
    }
    fclose(file);
}

/* What a word is with all features and without any. */
static void check_features(results *r)
{
    static const struct {
        uint32_t word;
        const char *with, *without;
    } cases[] = {
        { 0xd503245f, "tr_bti", "tr_nop" },         /* BTI c */
        { 0xd503233f, "tr_pac_lr", "tr_nop" },      /* PACIASP */
        { 0xd503201f, "tr_nop", "tr_nop" },         /* NOP */
        { 0xd503205f, "tr_wfe", "tr_wfe" },         /* WFE */
        { 0xb8200041, "tr_ld_op", NULL },           /* LDADD w0, w1, [x2] */
        { 0x1ac24020, "tr_crc32", NULL },           /* CRC32B w0, w1, w2 */
        { 0x08df7c20, "tr_ldar", NULL },            /* LDLARB w0, [x1] */
        { 0x08dffc20, "tr_ldar", "tr_ldar" },       /* LDARB w0, [x1] */
        { 0x0e20e020, "tr_v_pmull", "tr_v_pmull" }, /* PMULL v0.8h, v1.8b, v0.8b */
        { 0x0ee0e020, "tr_v_pmull", NULL },         /* PMULL v0.1q, v1.1d, v0.1d */
        { 0x00000000, NULL, NULL },                 /* UDF #0 */
    };
    const a64_ctx all = { .has_all = true }, none = { .has_all = false };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int with = a64_find_row(&all, cases[i].word), without = a64_find_row(&none, cases[i].word);
        const char *name_with = with < 0 ? "-" : a64_rows[with].name;
        const char *name_without = without < 0 ? "-" : a64_rows[without].name;

        if (strcmp(name_with, cases[i].with ? cases[i].with : "-"))
            fail(r, "%08x: %s with all features, not %s\n", cases[i].word, name_with,
                 cases[i].with);
        else if (strcmp(name_without, cases[i].without ? cases[i].without : "-"))
            fail(r, "%08x: %s without features, not %s\n", cases[i].word, name_without,
                 cases[i].without);
        else
            r->passed++;
    }
}

int main(int argc, char **argv)
{
    static exception list[MAX_EXCEPTIONS];
    results r = { 0 };
    int count;

    if (argc != 3) {
        fprintf(stderr, "usage: %s WORDS EXCEPTIONS\n", argv[0]);
        return 2;
    }
    count = read_exceptions(argv[2], list);
    check_words(&r, list, count, argv[1]);
    for (int i = 0; i < count; i++)
        if (!list[i].uses) {
            printf("%s:%d: no word needs this exception\n", argv[2], list[i].line);
            r.failed++;
        }
    check_features(&r);
    printf("%d passed, %d failed\n", r.passed, r.failed);
    return r.failed || !r.passed;
}
