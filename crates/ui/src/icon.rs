//! The icons: strokes on a grid of 16, drawn for this product, inlined where they are used.

use maud::{Markup, Render, html};

macro_rules! icons {
    ($($name:ident $path:literal)*) => {
        /// What can be drawn. Icons only accompany words; a button without words has a label.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Icon {
            $($name,)*
        }

        impl Icon {
            /// Every icon there is.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            fn path(self) -> &'static str {
                match self {
                    $(Self::$name => $path,)*
                }
            }
        }
    };
}

icons! {
    Home "M2.5 7.2 8 2.5l5.5 4.7V13a.5.5 0 0 1-.5.5H9.8V9.8H6.2v3.7H3a.5.5 0 0 1-.5-.5z"
    Building "M3.5 13.5v-10a1 1 0 0 1 1-1h5a1 1 0 0 1 1 1v10M10.5 7h1a1 1 0 0 1 1 1v5.5M2 13.5h12M6 5.3h2M6 8h2M6 10.7h2"
    User "M5.3 5.2a2.7 2.7 0 1 0 5.4 0a2.7 2.7 0 1 0-5.4 0M2.8 13.5c.4-2.6 2.5-4 5.2-4s4.8 1.4 5.2 4"
    Users "M3.6 5.2a2.4 2.4 0 1 0 4.8 0a2.4 2.4 0 1 0-4.8 0M1.5 13.2c.3-2.5 2.1-3.9 4.5-3.9s4.2 1.4 4.5 3.9M10.4 2.9a2.4 2.4 0 0 1 0 4.6M12 9.6c1.5.6 2.3 1.8 2.5 3.6"
    Key "M8 5.5a2.9 2.9 0 1 0 5.8 0a2.9 2.9 0 1 0-5.8 0M8.8 7.5 2.5 13.8M4.4 11.9l1.7 1.7M6.3 10l1.4 1.4"
    Lock "M3.5 7.5h9v6h-9zM5.3 7.5V5.2a2.7 2.7 0 0 1 5.4 0v2.3M8 10v1.3"
    Shield "M8 1.8 13.2 4v3.7c0 3-2.1 5.3-5.2 6.5-3.1-1.2-5.2-3.5-5.2-6.5V4zM5.8 8l1.6 1.6 2.9-3.1"
    Chat "M13.5 3.5v7a.5.5 0 0 1-.5.5H7.5L4.5 13.6V11H3a.5.5 0 0 1-.5-.5v-7A.5.5 0 0 1 3 3h10a.5.5 0 0 1 .5.5z"
    Plug "M5.5 1.8v3M10.5 1.8v3M3.5 4.8h9v2.5a4.5 4.5 0 0 1-9 0zM8 11.8v2.5"
    Bolt "M9 1.8 3.5 9H8l-1 5.2L12.5 7H8z"
    Settings "M2 4.5h6.2M12 4.5h2M8.2 4.5a1.9 1.9 0 1 0 3.8 0a1.9 1.9 0 1 0-3.8 0M2 11.5h2M7.8 11.5H14M4 11.5a1.9 1.9 0 1 0 3.8 0a1.9 1.9 0 1 0-3.8 0"
    Brush "M13.6 2.4C10 3.6 7.3 6 6 8.6l1.5 1.5c2.6-1.3 5-4 6.1-7.7zM5.6 9.3c-1.6 0-2.2 1-2.3 2.2-.1.8-.5 1.4-1.3 1.8 2.6.9 5.2 0 5.1-2.4"
    List "M5.5 4h8.5M5.5 8h8.5M5.5 12h8.5M2.2 4h.6M2.2 8h.6M2.2 12h.6"
    Chart "M2.5 2.5v11h11M5 10.5l2.7-3.2 2.2 1.9L13.5 5"
    Layers "M8 2 14 5.2 8 8.4 2 5.2zM2.3 8.2 8 11.2l5.7-3M2.3 11 8 14l5.7-3"
    Pulse "M1.5 8.5h3l2-5.5 3 10 2-4.5h3"
    Wallet "M2 4.5a1 1 0 0 1 1-1h9.5v2M2 4.5v8a1 1 0 0 0 1 1h10.5v-8H3a1 1 0 0 1-1-1zM11 9.5h.5"
    Globe "M2 8a6 6 0 1 0 12 0a6 6 0 1 0-12 0M2 8h12M8 2c2 1.8 2.7 3.7 2.7 6S10 12.2 8 14C6 12.2 5.3 10.3 5.3 8S6 3.8 8 2"
    Mail "M2 3.5h12v9H2zM2.3 4 8 8.7 13.7 4"
    Bell "M3.5 11.5c.8-.9 1.1-1.9 1.1-4a3.4 3.4 0 0 1 6.8 0c0 2.1.3 3.1 1.1 4zM6.7 13.8h2.6"
    Clock "M2 8a6 6 0 1 0 12 0a6 6 0 1 0-12 0M8 4.7V8l2.3 1.5"
    Alert "M8 2.3 14.3 13.3H1.7zM8 6.5v3M8 11.4v.1"
    Info "M2 8a6 6 0 1 0 12 0a6 6 0 1 0-12 0M8 7.3v3.7M8 5v.1"
    Check "M3 8.5 6.5 12 13 4.5"
    Done "M2 8a6 6 0 1 0 12 0a6 6 0 1 0-12 0M5.4 8.2l1.8 1.8 3.4-3.7"
    Cross "M4 4l8 8M12 4l-8 8"
    Plus "M8 3v10M3 8h10"
    Search "M2.5 7a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0M10.3 10.3 13.8 13.8"
    Filter "M2 4h12M4.3 8h7.4M6.6 12h2.8"
    Download "M8 2.5v7.5M4.8 7 8 10.2 11.2 7M2.5 13.5h11"
    External "M6.5 3.5H3.5a1 1 0 0 0-1 1v8a1 1 0 0 0 1 1h8a1 1 0 0 0 1-1v-3M9.5 2.5h4v4M13.3 2.7 7.5 8.5"
    Pencil "M2.5 13.5l.7-3L10.8 2.9a1 1 0 0 1 1.4 0l.9.9a1 1 0 0 1 0 1.4L5.5 12.8zM9.6 4.1l2.3 2.3"
    Trash "M2.5 4.3h11M6 4.3V2.5h4v1.8M4 4.3l.6 9.2h6.8l.6-9.2M6.7 7v3.8M9.3 7v3.8"
    Copy "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3"
    Eye "M1.5 8C3 5 5.3 3.5 8 3.5S13 5 14.5 8C13 11 10.7 12.5 8 12.5S3 11 1.5 8zM6 8a2 2 0 1 0 4 0a2 2 0 1 0-4 0"
    ChevronDown "M4 6.3 8 10.3 12 6.3"
    ChevronRight "M6.3 4 10.3 8 6.3 12"
    ChevronLeft "M9.7 4 5.7 8 9.7 12"
    ArrowUp "M8 13V3.5M4.3 7.2 8 3.5l3.7 3.7"
    ArrowDown "M8 3v9.5M4.3 8.8 8 12.5l3.7-3.7"
    Updown "M5 6.3 8 3.3 11 6.3M5 9.7 8 12.7 11 9.7"
    Menu "M2.5 4.5h11M2.5 8h11M2.5 11.5h11"
    More "M2.8 8a.4.4 0 1 0 .8 0a.4.4 0 1 0-.8 0M7.6 8a.4.4 0 1 0 .8 0a.4.4 0 1 0-.8 0M12.4 8a.4.4 0 1 0 .8 0a.4.4 0 1 0-.8 0"
    Sun "M5.3 8a2.7 2.7 0 1 0 5.4 0a2.7 2.7 0 1 0-5.4 0M8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M12.6 3.4l-.9.9M4.3 11.7l-.9.9"
    Moon "M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7z"
    Screen "M2 3h12v8H2zM5.5 13.5h5M8 11v2.5"
    Help "M2 8a6 6 0 1 0 12 0a6 6 0 1 0-12 0M6.3 6.5c0-1 .8-1.6 1.7-1.6s1.7.6 1.7 1.5c0 1.2-1.7 1.3-1.7 2.6M8 11.1v.1"
    SignOut "M6.5 13.5h-3a1 1 0 0 1-1-1v-9a1 1 0 0 1 1-1h3M6.5 8h7M11 5.5 13.5 8 11 10.5"
}

impl Render for Icon {
    fn render(&self) -> Markup {
        html! {
            svg.icon viewBox="0 0 16 16" aria-hidden="true" focusable="false" { path d=(self.path()) {} }
        }
    }
}
