from ltx_nb.cli.commands import main

main()
