from triplehead.cli import main

main()
