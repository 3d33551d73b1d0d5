/* Shows what it was started with. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

int main(int argc, char **argv, char **envp)
{
    const char *value = getenv("USER_TEST");

    for (int i = 0; i < argc; i++)
        printf("argument %d: %s\n", i, argv[i]);
    printf("USER_TEST: %s\n", value ? value : "none");
    printf("page size: %ld, %.3f\n", sysconf(_SC_PAGESIZE), 2.5);
    printf("platform: %s\n", (const char *)getauxval(AT_PLATFORM));
    printf("aligned: %d\n", ((unsigned long)argv & 7) == 0);
    return 42;
}
