from ltx_nb.cli import main

main()
