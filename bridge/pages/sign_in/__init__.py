"""What a client and its person ask for a sign-in: forms for clients, a page for people."""
