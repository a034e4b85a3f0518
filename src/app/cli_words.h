/// cli_words.h: the words of the command line: the one place of commands, options, and what each is for.
///
/// Idea.    Two tables. --help, the manual page and the completion of shells are written from them, so that none of them
///          can say less than the program takes.
#ifndef COLOSSIM_APP_CLI_WORDS_H
#define COLOSSIM_APP_CLI_WORDS_H

#include <stdbool.h>
#include <stdio.h>

typedef enum Command {
    COMMAND_HELP,
    COMMAND_VERSION,
    COMMAND_RUN,
    COMMAND_CHECK,
    COMMAND_SHOW,
    COMMAND_PLANS,
    COMMAND_USERS,
    COMMAND_LIST,
    COMMAND_SCHEMA,
    COMMAND_KEYS,
    COMMAND_COMPLETION,
    COMMAND_MAN,
    COMMAND_ANY, ///< no command: of an option, that several have it
} Command;

typedef struct CommandWord {
    const char *word;
    const char *arguments; ///< as written behind it; "": none
    const char *help;
    const char *
        values; ///< a space between each: words it takes; "@name", "@file": shipped names and files; "": none
    int least, most; ///< arguments
    Command command;
} CommandWord;

typedef enum Option {
    OPTION_SET = 256, ///< beyond the letters of getopt
    OPTION_STEPS,
    OPTION_SEED,
    OPTION_OUTPUT,
    OPTION_PROGRESS,
    OPTION_MEMORY,
    OPTION_PLAYER,
    OPTION_EVERY_STEP,
    OPTION_CABLES,
    OPTION_PLAY,
    OPTION_DEFAULTS,
    OPTION_RESUME,
    OPTION_QUIET,
    OPTION_JSON,
    OPTION_HELP,
} Option;

typedef struct OptionWord {
    const char *name;  ///< without its dashes
    const char *value; ///< what it wants; NULL: nothing
    const char *help;
    const char *values; ///< as of CommandWord
    Option option;
    Command of; ///< which alone takes it, or COMMAND_ANY
} OptionWord;

extern const CommandWord CLI_COMMANDS[];
extern const int CLI_NCOMMANDS;
extern const OptionWord CLI_OPTIONS[];
extern const int CLI_NOPTIONS;

/// The command of a word; NULL: there is none.
const CommandWord *cli_command(const char *word);
/// The word of a command.
const char *cli_word(Command command);

void cli_write_help(FILE *out);
/// troff, section 1.
void cli_write_man(FILE *out);
/// A completion script for "bash" or "zsh"; false: another shell.
bool cli_write_completion(const char *shell, FILE *out);

#endif
