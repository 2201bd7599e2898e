"""Words by which people mean documents, rather than what stands in them."""

DOCUMENTS = (
    r"(?:documents?|docs?|files?|pages?|reports?|notes?|memos?|articles?|posts?|guides?|manuals?|papers?|minutes|"
    r"presentations?|slides?|decks?|slide\s+decks?|spreadsheets?|sheets?|pdfs?|letters?|e-?mails?|texts|transcripts?|"
    r"newsletters?|handbooks?|handouts?|runbooks?|changelogs?|contracts?|invoices?|policies|specs?|specifications?|"
    r"write-?ups?|drafts?|versions?|entries|records|sources|materials?|contributions?|chapters?|essays?|ebooks?|books?)"
)
# Nothing is lost of what is asked for when these go with the condition.
GENERIC = r"(?:(?:the|any|all|only|our|my|your|which|what)\s+)*(?:documents?|docs?|files?|pages?)"
